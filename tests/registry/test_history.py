from pathlib import Path

from mlflow import MlflowClient

from assay.registry.history import AliasChange, read_alias_changes, shortened, write_alias_change
from assay.runs.tags import ALIAS_CHANGE_TAG


def a_change(number: int, reason: str = "better") -> AliasChange:
    return AliasChange(number=number, kind="promotion", source="1", target="2", previous=None, reason=reason)


def test_read_alias_changes_sorts_by_number(store: Path) -> None:
    # given changes written in any order beside a foreign tag,
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    client.create_registered_model("toy", tags={"team": "news"})
    changes = [a_change(number) for number in (1, 2, 9, 10, 11, 100, 1_000_000)]
    for change in reversed(changes):
        write_alias_change(client, "toy", change)
    # then they are read as they were, the oldest first.
    assert read_alias_changes(client, "toy") == changes


def test_write_alias_change_replaces_the_earlier_state(store: Path) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    client.create_registered_model("toy")
    write_alias_change(client, "toy", a_change(1))
    write_alias_change(client, "toy", a_change(1).model_copy(update={"state": "done"}))
    assert [change.state for change in read_alias_changes(client, "toy")] == ["done"]


def test_alias_change_fits_into_a_tag_of_an_old_server() -> None:
    text = shortened("ü" * 10_000)
    change = a_change(1, text).model_copy(update={"forced": text, "verdict": "f" * 64, "run": "r" * 100})
    assert text.endswith("…")
    assert len(change.model_dump_json()) < 5_000
    assert len(f"{ALIAS_CHANGE_TAG}000001") < 250


def test_shortened_keeps_a_short_text() -> None:
    assert shortened(" better \n") == "better"
