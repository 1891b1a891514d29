"""What of the surroundings is there, and the remedy for what is not."""

import errno
import importlib.metadata
import importlib.util
import os
import socket
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from corpus.disk import check_database, disk_line, sqlite_remedy
from corpus.errors import AssayError
from recipes.recipe import Recipe
from recipes.source import HubSource, MongoSource
from serving.address import SQLITE, default_tracking_uri, without_password
from serving.cpu import available_threads, cpu_flags

TIMEOUT_S = 5.0
PARTS = ("runs", "ledger", "mlartifacts")  # of a store
PACKAGES = ("torch", "transformers", "peft", "datasets", "prefect", "mlflow", "great_expectations", "pymongo")


class Finding(NamedTuple):
    """One thing looked at. `ok` is False only where something is missing; `needed`: a run fails without it."""

    what: str
    ok: bool
    details: str
    needed: bool = True


def examine(store: Path, recipe: Recipe | None = None) -> Iterator[Finding]:
    """Look at everything a run may need; nothing stays changed, and no look takes longer than a few seconds.

    Args:
        store: folder of runs, ledger and, without a server, MLflow.
        recipe: tells what is needed; without one, what the environment names.
    """
    missing = [name for name in PACKAGES if not _installed(name)]
    yield _packages(missing)._replace(needed=recipe is not None)
    yield examine_store(store)
    yield _mlflow((recipe.registry.tracking_uri if recipe else None) or default_tracking_uri(store))
    if not missing:  # they say where the rest is looked for
        yield from _deleted(store)
        yield from _shared_store()
        yield _prefect()
        source = recipe.source if recipe is not None else None
        if source is None or isinstance(source, MongoSource):
            yield _mongodb(source.uri if source else None)
        yield _hub()._replace(needed=recipe is not None and _reads_hub(recipe))
        yield _gpu()
    yield _cpu()


def _reads_hub(recipe: Recipe) -> bool:
    encoder = recipe.model.encoder
    return isinstance(recipe.source, HubSource) or (encoder is not None and not Path(encoder).exists())


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _packages(missing: list[str]) -> Finding:
    if missing:
        return Finding("packages", False, f"{', '.join(missing)} not installed; pip install 'assay[train]'")
    versions = (f"{name} {importlib.metadata.version(name.replace('_', '-'))}" for name in PACKAGES)
    return Finding("packages", True, ", ".join(versions))


def examine_store(store: Path) -> Finding:
    """Look whether a store can be made, written and read; what is made for that is removed again."""
    store = store.absolute()
    made: list[Path] = []
    try:
        for folder in (*reversed(store.parents), store):
            if not folder.is_dir():
                folder.mkdir()
                made.append(folder)
        for folder in (store, *(store / name for name in PARTS if (store / name).exists())):
            _write_and_read(folder)
        free = os.statvfs(store)
    except OSError as error:
        return Finding("store", False, f"{disk_line(error, store)} (--store or ASSAY_STORE names another)")
    finally:
        for folder in reversed(made):
            folder.rmdir()
    return Finding("store", True, f"{store}, {free.f_bavail * free.f_frsize / 2**30:.1f} GiB free")


def _write_and_read(folder: Path) -> None:
    content = os.urandom(4096)  # a full disk takes empty files still
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        if Path(file.name).read_bytes() != content:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder))


def _shared_store() -> Iterator[Finding]:
    from tasks.sharing.store import shared_store

    try:
        if (shared := shared_store()) is not None:
            yield Finding("shared store", True, f"{shared.address}, {len(shared.names('runs', '*'))} runs")
    except AssayError as error:
        yield Finding("shared store", False, str(error))


def _mlflow(uri: str) -> Finding:
    shown = without_password(uri)
    if uri.startswith(("http://", "https://")):
        return _http("MLflow", f"{uri.rstrip('/')}/health", shown, "start it, or mend MLFLOW_TRACKING_URI")
    if uri.startswith(SQLITE) and (fault := _fault_of(Path(uri.removeprefix(SQLITE)))):
        return Finding("MLflow", False, fault)
    return Finding("MLflow", True, f"{shown} (no server; set MLFLOW_TRACKING_URI to use one)")


def _fault_of(database: Path) -> str | None:
    """What is wrong with a sqlite file, which is read as far as a few seconds allow."""
    import sqlite3

    try:
        check_database(database)
        if not database.exists():
            return None
        until = time.monotonic() + TIMEOUT_S
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.set_progress_handler(lambda: time.monotonic() > until, 100_000)
            [said] = connection.execute("PRAGMA quick_check(1)").fetchone()
        return None if said == "ok" else f"{database}: {said}; {sqlite_remedy('malformed')}"
    except AssayError as error:
        return str(error)
    except OSError as error:
        return disk_line(error, database)
    except sqlite3.Error as error:
        interrupted = "interrupted" in str(error)  # too large to be read to its end
        return None if interrupted else f"{database}: {error}; {sqlite_remedy(str(error)) or 'check the file'}"


def _deleted(store: Path) -> Iterator[Finding]:
    from deployments.deleted import deleted_in_mlflow

    for ok, line in deleted_in_mlflow(store):
        yield Finding("deleted in MLflow", ok, line)


def _prefect() -> Finding:
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    if not url:
        return Finding(
            "Prefect API", True, "none set: `assay run` starts a temporary one; set PREFECT_API_URL to use yours"
        )
    remedy = "start it with `prefect server start`, or mend PREFECT_API_URL"
    return _http("Prefect API", f"{url.rstrip('/')}/health", without_password(url), remedy)


def _mongodb(address: str | None) -> Finding:
    kind, _, variable = (address or "env:MONGODB_URI").partition(":")
    if kind == "block":
        return Finding("MongoDB", True, f"the address stands in {address} of Prefect")
    uri = os.environ.get(variable) if kind == "env" else address
    if not uri:
        return Finding("MongoDB", address is None, f"{variable} is not set; recipes that read MongoDB need it")
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    shown = without_password(uri)
    try:
        with MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=int(TIMEOUT_S * 1000)) as client:
            client.admin.command("ping")
    except PyMongoError as error:
        reason = without_password(str(error).splitlines()[0])[:200]
        return Finding("MongoDB", False, f"{shown} does not answer: {reason}; start it, or mend MONGODB_URI")
    return Finding("MongoDB", True, shown)


def _hub() -> Finding:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return Finding("hub", True, "HF_HUB_OFFLINE is set: only local folders and the cache are used")
    host = urlsplit(constants.ENDPOINT).hostname or ""
    try:
        socket.create_connection((host, 443), timeout=TIMEOUT_S).close()
    except OSError as error:
        return Finding("hub", False, f"{host} cannot be reached ({error}); use local folders, or set HF_ENDPOINT")
    return Finding("hub", True, host)


def _gpu() -> Finding:
    import torch

    if not torch.cuda.is_available():
        return Finding("GPU", True, "none: training uses the CPU")
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return Finding("GPU", True, ", ".join(names))


def _cpu() -> Finding:
    flags = cpu_flags()
    int8 = "int8 in hardware" if {"avx512_vnni", "avx_vnni", "asimddp"} & set(flags) else "no int8 instructions"
    return Finding("CPU", True, f"{available_threads()} cores, {' '.join(flags) or 'no vector flags found'} ({int8})")


def _http(what: str, url: str, shown: str, remedy: str) -> Finding:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S):  # noqa: S310  # the user's own http(s) address
            return Finding(what, True, shown)
    except (OSError, ValueError) as error:
        return Finding(what, False, f"{shown} does not answer ({error}); {remedy}")
