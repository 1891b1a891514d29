"""The MLflow servers and databases that the runs of a store have written to.

Run states name them without credentials; those come from the environment, or from the caller.
"""

from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from corpus.errors import AssayError, first_line
from serving.address import default_tracking_uri, existing_tracking_uri, has_database, without_password
from tasks.session import read_states
from tasks.tracking import mlflow_reachable
from tasks.versions.connection import connect, full_address, own_database, stored_address
from tasks.versions.runs import find_run


def tracking_addresses(store: Path, further: Sequence[str] = ()) -> list[str]:
    """Return every tracking address of a store once, with credentials where the environment has them.

    Args:
        store: folder of runs.
        further: addresses that the caller knows.

    Raises:
        AssayError: there is none: no run was made in this store.
    """
    own, default = own_database(store), default_tracking_uri(store)
    found = [*further, *(uri for uri in (default, own) if has_database(uri))]
    found += [full_address(state.tracking, store) for state in read_states(store) if state.tracking]
    if not found:
        existing_tracking_uri(store)
    return list({stored_address(uri, store).rstrip("/"): uri for uri in reversed(found)}.values())[::-1]


def runs_elsewhere(store: Path, searched: Sequence[str], *, known: Container[str] = ()) -> list[str]:
    """Return the keys of runs that may lie in an MLflow that was not searched.

    A run whose address was searched is there, or was removed for good.

    Args:
        store: folder of runs.
        searched: addresses that answer.
        known: names of addresses that are known not to answer; their runs are left out.
    """
    names = {stored_address(uri, store).rstrip("/") for uri in searched}
    left = [state for state in read_states(store) if (state.tracking or "").rstrip("/") not in names]
    left = [one for one in left if not (one.tracking and without_password(full_address(one.tracking, store)) in known)]
    for uri in searched:
        with in_one_line(uri):
            client = connect(uri)
            left = [state for state in left if find_run(client, state.mlflow_run) is None]
    return sorted(state.key for state in left)


@contextmanager
def in_one_line(uri: str) -> Iterator[None]:
    """Turn whatever keeps MLflow from answering into one line without a password.

    Raises:
        AssayError: there is no database, no driver for it, or MLflow does not answer.
    """
    shown = without_password(uri)
    if not has_database(uri):
        raise AssayError(f"there is no {shown}; put it back, or remove the folders of the runs that name it")
    try:
        with mlflow_reachable(uri):
            yield
    except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
        raise AssayError(f"MLflow at {shown} cannot be opened: {without_password(first_line(error, 200))}") from None
