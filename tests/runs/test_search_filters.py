"""Filters on a real MLflow: names and values with any character find their own and no others."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.utils.search_utils import SearchModelVersionUtils, SearchUtils

from assay.evaluation.row_sample import sample_rows
from assay.registry.versions import Version, Versions, every_version
from assay.runs.search_filters import equals
from assay.runs.tags import PROMOTED_TAG, TEST_ROWS_TAG

# MLflow declares no types here.
of_versions: Any = SearchModelVersionUtils
of_runs: Any = SearchUtils
NAMES = [
    "O'Brien's model",
    'the "best" model',
    "both ' and \" quotes",
    "ends in \\",
    "a\\' AND name = 'b",
    "100 % sure_",
    "back`tick",
    "two; statements -- here",
    "two\nlines",
    "名前 😀",
    "plain",
]


@given(st.sampled_from(NAMES) | st.text(max_size=30), st.sampled_from(NAMES) | st.text(max_size=30))
def test_equals_makes_two_clauses_of_any_two_values(name: str, value: str) -> None:
    query = f"{equals('name', name)} AND {equals('tags.`assay.bundle`', value)}"
    parsed = of_versions.parse_search_filter(query)
    assert [(one["key"], len(one["value"])) for one in parsed] == [("name", len(name)), ("assay.bundle", len(value))]
    (tag,) = of_runs.parse_search_filter(equals("tags.`assay.step`", value))
    assert tag["key"] == "assay.step"


@pytest.fixture
def client(store: Path) -> MlflowClient:
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    for name in NAMES:
        client.create_registered_model(name)
        client.create_model_version(name, "file:///nowhere", tags={"assay.bundle": name})
    return client


def test_every_version_finds_models_with_any_name(client: MlflowClient) -> None:
    assert sorted(one.name for one in every_version(client)) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_versions_finds_tags_of_models_with_any_name(client: MlflowClient, store: Path, name: str) -> None:
    # given other versions that a pattern of the name or of the value would find, too
    other = name.replace("'", "x").replace('"', "x").replace("%", "many").upper()
    if other not in NAMES:
        client.create_registered_model(other)
    client.create_model_version(other, "file:///nowhere", tags={"assay.bundle": name})
    client.create_model_version(name, "file:///nowhere", tags={"assay.bundle": other + "x"})
    found = Versions(client, name, f"sqlite:///{store}/mlflow.db").find(name)
    assert found == Version.of(client.get_model_version(name, "1"))


@pytest.mark.parametrize("name", NAMES)
def test_versions_finds_promotions_and_test_rows_of_models_with_any_name(
    client: MlflowClient, store: Path, name: str
) -> None:
    # given versions of a model, and of one whose name the filter takes for the same
    other = name.translate(str.maketrans("'\"`\\", "xxxx"))
    if other != name:
        client.create_registered_model(other)
    sample = sample_rows(["1", "2"])
    for model in {name, other}:
        for day in ("2", "3"):
            tags = {PROMOTED_TAG: f"2026-01-0{day}", TEST_ROWS_TAG: sample}
            client.create_model_version(model, "file:///nowhere", tags=tags)
    # then its own are found, and only these
    versions = Versions(client, name, f"sqlite:///{store}/mlflow.db")
    assert versions.once_promoted() == ["3", "2"]
    assert [version.address for version in versions.compared_on(sample)] == [f"models:/{name}/2", f"models:/{name}/3"]
