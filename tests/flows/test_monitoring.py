"""A champion trained for real, and windows beside what it was trained on."""

from pathlib import Path

import pytest

from flows.monitoring import monitor
from flows.training import train
from tasks.monitoring.window import Window
from tests.flows.tiny import make_recipe, write_rows

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Path:
    """A store whose registry has a champion."""
    folder = tmp_path_factory.mktemp("champion")
    outcome = train(make_recipe(write_rows(folder / "rows.jsonl", 500)), folder / "store")
    assert outcome.promotion.promoted, outcome.promotion.why
    return folder / "store"


def test_rows_like_those_of_the_training_are_no_drift(trained: Path, tmp_path: Path) -> None:
    report = monitor(
        "models:/tiny@champion", Window(address=str(write_rows(tmp_path / "in.jsonl", 150, 2))), store=trained
    )

    assert report.drifted == []
    assert {one.name for one in report.findings} == {
        "length of the text",
        "words unknown to the training rows",
        "words of the text",
        "embedding of the text",
        "classes answered",
        "confidence of the class",
        "entities in a text",
        "types of entities",
        "confidence of entities",
        "F1 of classes",
        "F1 of entities",
    }
    assert "no drift in 150 rows" in report.page.read_text()
