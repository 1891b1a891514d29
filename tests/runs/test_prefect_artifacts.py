"""What a flow run shows in Prefect, and that a page which cannot be written is not worth a run."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect import flow, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from assay.runs import prefect_artifacts as pages
from assay.runs.mlflow_links import mlflow_page
from assay.runs.prefect_artifacts import ProgressArtifact, show_link, show_markdown


@pytest.fixture
def key(prefect_server: None) -> str:
    """A key of the test's own."""
    return f"k{uuid4().hex[:8]}"


def shown(key: str) -> list[Any]:
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
    return [artifact.data for artifact in found]


def test_progress_page_is_one_artifact_that_always_shows_the_end(key: str) -> None:
    @flow
    def steps() -> list[Any]:
        page = ProgressArtifact(key, "steps", 0.5)
        begun = shown(key)
        for share in (0.6, 0.7, 1.0):
            page.show(share)
        return begun

    assert [float(one) for one in steps()] == [50.0]
    assert [float(one) for one in shown(key)] == [100.0]


def test_show_link_creates_an_artifact_for_an_address(key: str) -> None:
    @flow
    def links() -> None:
        show_link(key, mlflow_page("sqlite:///mlflow.db", "models/m"), "m", "no page")
        show_link(key, mlflow_page("http://me:secret@host:5000", "models/m"), "m", "a page")

    links()
    assert shown(key) == ["[m](http://host:5000/#/models/m?workflowType=machine_learning)"]


def test_artifacts_log_a_warning_when_the_server_is_down(
    key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*args: object, **kwargs: object) -> None:
        raise httpx.ConnectError("All connection attempts failed")

    @flow
    def run() -> str:
        show_markdown(key, "# Text", "text")
        ProgressArtifact(key, "steps").show(1.0)
        return "done"

    monkeypatch.setattr(pages, "create_markdown_artifact", away)
    monkeypatch.setattr(pages, "create_progress_artifact", away)
    assert run() == "done"
    assert caplog.text.count(f"the artifact {key} is not shown: All connection attempts failed") == 2


def test_artifacts_are_not_created_outside_of_a_run() -> None:
    page = ProgressArtifact("any", "steps")
    page.show(1.0)
    show_markdown("any", "# Text", "text")
