from pathlib import Path

from mlflow import MlflowClient

from assay.registry.history import AliasChange, read_alias_changes, shortened, write_alias_change
from assay.runs.tags import ALIAS_CHANGE_TAG


def a_move(number: int, reason: str = "better") -> AliasChange:
    return AliasChange(number=number, kind="promotion", source="1", target="2", previous=None, reason=reason)


def test_moves_come_back_in_the_order_of_their_numbers(store: Path) -> None:
    # Given moves written in any order beside a tag of somebody else,
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    client.create_registered_model("toy", tags={"team": "news"})
    moves = [a_move(number) for number in (1, 2, 9, 10, 11, 100, 1_000_000)]
    for move in reversed(moves):
        write_alias_change(client, "toy", move)
    # then they are read as they were, the first one first.
    assert read_alias_changes(client, "toy") == moves


def test_a_later_state_replaces_the_earlier_one(store: Path) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    client.create_registered_model("toy")
    write_alias_change(client, "toy", a_move(1))
    write_alias_change(client, "toy", a_move(1).model_copy(update={"state": "done"}))
    assert [move.state for move in read_alias_changes(client, "toy")] == ["done"]


def test_the_longest_move_fits_into_a_tag_of_an_old_server() -> None:
    text = shortened("ü" * 10_000)
    move = a_move(1, text).model_copy(update={"forced": text, "verdict": "f" * 64, "run": "r" * 100})
    assert text.endswith("…")
    assert len(move.model_dump_json()) < 5_000
    assert len(f"{ALIAS_CHANGE_TAG}000001") < 250


def test_a_short_text_stays_as_it_is() -> None:
    assert shortened(" better \n") == "better"
