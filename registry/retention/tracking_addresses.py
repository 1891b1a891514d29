"""The MLflow servers and databases that the runs of a store have written to.

Run states name them without credentials, which come from the environment or from a parameter.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from assay.corpus.errors import AssayError, first_line
from assay.runs.mlflow_client import connect, full_address, own_database, stored_address
from assay.runs.mlflow_runs import find_run
from assay.runs.run_states import RunState, read_states
from assay.runs.tracking import mlflow_reachable
from assay.serving.address import default_tracking_uri, existing_tracking_uri, has_database, without_password


def tracking_addresses(store: Path, further: Sequence[str] = ()) -> list[str]:
    """Return every tracking address of a store once, with credentials where the environment has them.

    Args:
        store: folder of runs.
        further: additional addresses.

    Raises:
        AssayError: there is none, since no run was made in this store.
    """
    addresses = used_addresses(read_states(store), store, further)
    if not addresses:
        existing_tracking_uri(store)
    return addresses


def used_addresses(states: Iterable[RunState], store: Path, further: Sequence[str] = ()) -> list[str]:
    """Return the tracking addresses that these runs name, and those of the store itself, once each."""
    own, default = own_database(store), default_tracking_uri(store)
    addresses = [*further, *(uri for uri in (default, own) if has_database(uri))]
    addresses += [full_address(address, store) for state in states for address in state.tracking]
    return list({stored_address(uri, store).rstrip("/"): uri for uri in reversed(addresses)}.values())[::-1]


def runs_elsewhere(store: Path, searched: Sequence[str], *, known: Container[str] = ()) -> list[str]:
    """Return the keys of runs that used an MLflow that was not searched, or may have.

    Args:
        store: folder of runs.
        searched: addresses that respond.
        known: names of addresses that are known not to respond; they do not count.
    """
    names = {stored_address(uri, store).rstrip("/") for uri in searched}
    remaining = {state.key: (state, _unsearched(state, store, names, known)) for state in read_states(store)}
    remaining = {
        key: (state, addresses) for key, (state, addresses) in remaining.items() if addresses or not state.tracking
    }
    for uri in searched:
        with in_one_line(uri):
            client = connect(uri)
            # A server may have two names: if the MLflow run is found, its address was searched.
            remaining = {
                key: (state, addresses)
                for key, (state, addresses) in remaining.items()
                if set(addresses) - set(state.tracking[-1:]) or find_run(client, state.mlflow_run) is None
            }
    return sorted(remaining)


def _unsearched(state: RunState, store: Path, names: Container[str], known: Container[str]) -> list[str]:
    """Return the addresses of a run that were not searched, except those known not to respond."""
    return [
        address
        for address in state.tracking
        if address.rstrip("/") not in names and without_password(full_address(address, store)) not in known
    ]


@contextmanager
def in_one_line(uri: str) -> Iterator[None]:
    """Turn every failure of MLflow into one line without a password.

    Raises:
        AssayError: there is no database, no driver for it, or MLflow does not respond.
    """
    shown = without_password(uri)
    if not has_database(uri):
        raise AssayError(f"there is no {shown}; restore it, or remove the folders of the runs that name it")
    try:
        with mlflow_reachable(uri):
            yield
    except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
        reason = without_password(first_line(error, 200))
        raise AssayError(f"MLflow at {shown} cannot be opened: {reason}; check that it is running") from None
