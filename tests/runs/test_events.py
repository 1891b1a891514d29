from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.events.clients import AssertingEventsClient
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from assay.registry.champion_rollback import roll_back
from assay.runs.events import emit
from tests.approvals import World


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[AssertingEventsClient]]:
    """Events that are emitted, without a server."""
    monkeypatch.setattr(EventsWorker, "_client_override", None, raising=False)
    EventsWorker.set_client_override(AssertingEventsClient)
    AssertingEventsClient.reset()
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        yield AssertingEventsClient
    EventsWorker.drain_all()


def events(emitted: type[AssertingEventsClient]) -> list[tuple[str, str, str]]:
    EventsWorker.drain_all()
    found = [event for client in emitted.all for event in client.events]
    return [(one.event, one.resource.id, one.payload["summary"]) for one in found if one.event.startswith("assay.")]


def test_emit_reports_promotions_and_refusals(
    store: Path, tmp_path: Path, emitted: type[AssertingEventsClient]
) -> None:
    world = World(store, tmp_path)
    world.go("bad", passed=False)
    world.go("asked-for")
    world.go("better", approval="none")
    roll_back(world.registry, None, "it was too slow")

    found = events(emitted)
    assert [(event, resource) for event, resource, _ in found if resource != "assay.model.toy"] == []
    assert [(event, summary.partition(":")[0]) for event, _, summary in found] == [
        ("assay.promoted", "version 1 instead of none"),
        ("assay.refused", "version 2"),
        ("assay.pending", "version 3"),
        ("assay.promoted", "version 4 instead of 1"),
        ("assay.rolled-back", "version 1 instead of 4"),
    ]


def test_emit_does_nothing_without_a_server(emitted: type[AssertingEventsClient]) -> None:
    with temporary_settings({PREFECT_API_URL: None}):
        emit("assay.promoted", "assay.model.toy", "toy", {"summary": "x"})
    found = events(emitted)
    assert [(event, resource) for event, resource, _ in found if resource != "assay.model.toy"] == []
    assert [(event, summary.split(":")[0]) for event, _, summary in found] == []
