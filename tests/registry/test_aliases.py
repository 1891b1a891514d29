"""Interrupted changes of aliases: recovery never needs a version that was deleted since."""

from itertools import chain, combinations
from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.corpus.storage.leases import hold_lease
from assay.registry.aliases import CHAMPION, PREVIOUS, Aliases
from assay.registry.history import AliasChange, read_alias_changes, write_alias_change

NAME = "O'Brien's model"
INTERRUPTED = AliasChange(number=77, kind="promotion", source="2", target="3", previous="1", reason="better")
DELETED = list(chain.from_iterable(combinations(("1", "2", "3"), size) for size in range(4)))


@pytest.mark.parametrize("deleted", DELETED, ids=lambda numbers: f"without {' '.join(numbers) or 'none'}")
@pytest.mark.parametrize("writes", [0, 1, 2])
def test_recover_completes_or_undoes_a_change_whatever_was_deleted_since(
    store: Path, writes: int, deleted: tuple[str, ...]
) -> None:
    # given a champion 2, 1 before it, and the change to 3 that was interrupted after some of its writes
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    client.create_registered_model(NAME)
    for _ in range(4):
        client.create_model_version(NAME, "file:///nowhere")
    pointed = {CHAMPION: "2", PREVIOUS: "1"} | dict([(PREVIOUS, "2"), (CHAMPION, "3")][:writes])
    for alias, number in pointed.items():
        client.set_registered_model_alias(NAME, alias, number)
    write_alias_change(client, NAME, INTERRUPTED)
    # when versions were deleted before the next holder of the lease comes
    for number in deleted:
        client.delete_model_version(NAME, number)
    aliases = Aliases(client, NAME)
    with hold_lease(store / "locks" / "m.json", at_least=77) as lease:
        aliases.recover(lease)
        # then the change is over, and each alias is where it was, or where it was to go, or nowhere
        arrived = writes == 2 and "3" not in deleted
        assert [change.state for change in read_alias_changes(client, NAME)] == ["done" if arrived else "undone"]
        wanted = ("3", "2") if arrived else ("2", "1")
        assert (aliases.number(CHAMPION), aliases.number(PREVIOUS)) == tuple(
            None if number in deleted else number for number in wanted
        )
        # and the champion can be moved
        source, previous = aliases.number(CHAMPION), aliases.number(PREVIOUS)
        change = AliasChange(
            number=lease.fencing, kind="promotion", source=source, target="4", previous=previous, reason="new"
        )
        assert aliases.apply(change, lease).state == "done"
    assert aliases.number(CHAMPION) == "4"
