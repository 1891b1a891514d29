from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.registry.model_overview import FOREIGN, list_models
from assay.runs.tags import BUNDLE_TAG, FAILED_TAG, FORCED_TAG, OUTCOME_TAG, RECIPE_TAG


@pytest.fixture
def client(store: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")


def test_list_models_of_an_empty_registry_is_empty(client: MlflowClient, store: Path) -> None:
    assert list_models(f"sqlite:///{store}/mlflow.db").root == []


def test_list_models_tells_champions_and_the_outcome_of_every_version(client: MlflowClient, store: Path) -> None:
    tags = {BUNDLE_TAG: "b", RECIPE_TAG: "tiny"}
    for name in ("zebra", "apple"):
        client.create_registered_model(name)
    for number in range(11):
        more = {OUTCOME_TAG: "refused", FAILED_TAG: "score"} if number % 2 else {OUTCOME_TAG: "passed"}
        client.create_model_version("zebra", "file:///nowhere", tags={**tags, **more})
    client.set_model_version_tag("zebra", "2", FORCED_TAG, "a reason")
    client.create_model_version("apple", "file:///nowhere")
    client.set_registered_model_alias("zebra", "champion", "11")
    client.set_registered_model_alias("zebra", "previous", "2")

    apple, zebra = list_models(f"sqlite:///{store}/mlflow.db").root

    assert (apple.name, apple.champion, apple.previous) == ("apple", None, None)
    assert [(version.outcome, version.recipe) for version in apple.versions] == [(FOREIGN, None)]
    assert (zebra.champion, zebra.previous) == ("11", "2")
    assert [version.number for version in zebra.versions] == [str(number) for number in range(11, 0, -1)]
    assert zebra.outcomes == {"passed": 6, "refused": 5}
    second = zebra.versions[-2]
    assert (second.outcome, second.failed, second.forced, second.recipe) == ("refused", "score", True, "tiny")
    assert second.created.tzinfo is not None
    assert not zebra.versions[0].forced


def test_list_models_names_a_registry_that_cannot_be_reached(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 99)
    with pytest.raises(AssayError, match=r"mlflow\.db: file is not a database"):
        list_models(f"sqlite:///{tmp_path}/mlflow.db")
