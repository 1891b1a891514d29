"""Each complete recipe printed in README and docs runs from its page and ends with a promoted model."""

import itertools
import json
import random
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from assay.flows.training import TrainingOutcome, train
from assay.recipes.loader import load_recipe
from tests.flows.tiny import label_rows
from tests.mongo import Mongo
from tests.recipes.samples import MOODS, NOUNS, PLACES, parses

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
ROWS = 3000  # enough to learn from, few enough for a minute
pytestmark = [
    pytest.mark.slow,  # trains a network per recipe with the printed epochs
    pytest.mark.usefixtures("prefect_server"),
]


def printed() -> dict[str, str]:
    """Return each complete recipe of README and docs by its name."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    blocks = [
        block
        for page in pages
        for block in re.findall(r"```yaml\n(name: .*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    ]
    return {block.split("\n")[0].removeprefix("name: "): block for block in blocks}


def run(name: str, overrides: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingOutcome:
    """Run a printed recipe in the folder of its data, as its reader does."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(folder)
    file = folder / f"{name}.yaml"
    file.write_text(printed()[name], encoding="utf-8")
    return train(load_recipe(file, overrides), folder / ".assay")


def write(path: Path, rows: Iterable[Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def head_of(path: Path, count: int) -> Iterable[Any]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, itertools.islice(lines, count))


def headlines(draw: random.Random, count: int) -> Iterable[dict[str, Any]]:
    """Generate rows with a mood and an entity; near-duplicates are rare.

    The word of an entity also occurs without being one, so that looking words up does not find the entities.
    """
    for _ in range(count):
        mood, (place, family) = draw.choice(list(MOODS)), draw.sample(PLACES, 2)
        words = " ".join(draw.sample(NOUNS, 4))
        text = f"{place} is {draw.choice(MOODS[mood])} and {draw.choice(MOODS[mood])} for Mr {family} with {words}"
        yield {"text": text, "sentiment": mood, "entities": [{"start": 0, "end": len(place), "label": "PLACE"}]}


def tweets(draw: random.Random, count: int) -> Iterable[dict[str, Any]]:
    for _ in range(count):
        label, mood = draw.choice(list(enumerate(MOODS)))
        words = " ".join(draw.sample(NOUNS, 4))
        yield {
            "text": f"${words} {draw.choice(MOODS[mood])}, {draw.choice(MOODS[mood])}",
            "label": label,
        }


def test_printed_recipes_all_have_a_test() -> None:
    assert set(printed()) == {"my-news", "my-tweets", "my-headlines", "my-reviews", "my-topics"}


@pytest.mark.parametrize("real", [False, True], ids=["generated", "real"])
def test_recipe_of_the_readme_ends_promoted(real: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = DATA / "sentfin" / "sentfin_train.jsonl"
    if real and not source.is_file():
        pytest.skip(f"needs {source}, which is no part of the project")
    # All real rows: company names recur, so that fewer rows do not separate the model from looking words up.
    write(tmp_path / "news.jsonl", head_of(source, 10_000) if real else headlines(random.Random(7), 600))
    assert run("my-news", [], tmp_path, monkeypatch).promotion.promoted


@pytest.mark.parametrize("real", [False, True], ids=["generated", "real"])
def test_recipe_of_the_hub_page_ends_promoted(real: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = DATA / "twitter_financial"
    if real and not source.is_dir():
        pytest.skip(f"needs {source}, which is no part of the project")
    folder, draw = tmp_path / "source", random.Random(7)
    folder.mkdir()
    for split, count in {"train": ROWS, "validation": ROWS // 4}.items():
        rows = head_of(source / f"twitter_financial_{split}.jsonl", count) if real else tweets(draw, count // 5)
        write(folder / f"{split}.jsonl", rows)
    local = [f"source.path={folder}", "source.revision=null", *(["gate.min_f1={sentence: 0.5}"] if real else [])]
    assert run("my-tweets", local, tmp_path, monkeypatch).promotion.promoted


def test_recipe_of_the_mongodb_page_ends_promoted(
    mongo: Mongo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGODB_URI", mongo.uri)
    documents = parses(random.Random(7), 400)
    mongo.fill("parses", ({**document, "lang": "en"} for document in documents))
    overrides = [f"source.database={mongo.database}"]
    assert run("my-headlines", overrides, tmp_path, monkeypatch).promotion.promoted


def test_recipe_of_the_page_on_several_labels_ends_promoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "topics.jsonl", label_rows(600, 7))
    assert run("my-topics", [], tmp_path, monkeypatch).promotion.promoted
