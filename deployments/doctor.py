"""What of the surroundings is there, and the remedy for what is not."""

import importlib.metadata
import importlib.util
import os
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from corpus.errors import AssayError
from serving.address import default_tracking_uri, without_password
from serving.cpu import available_threads, cpu_flags

TIMEOUT_S = 5.0
PACKAGES = ("torch", "transformers", "peft", "datasets", "prefect", "mlflow", "great_expectations", "pymongo")


class Finding(NamedTuple):
    """One thing looked at. `ok` is False only where something that was asked for is missing."""

    what: str
    ok: bool
    details: str


def examine(store: Path) -> Iterator[Finding]:
    """Look at everything a run may need; nothing is changed, and no look takes longer than a few seconds."""
    missing = [name for name in PACKAGES if not _installed(name)]
    yield _packages(missing)
    yield _store(store)
    yield _mlflow(store)
    if not missing:  # they say where the rest is looked for
        yield from _deleted(store)
        yield from _shared_store()
        yield _prefect()
        yield _mongodb()
        yield _hub()
        yield _gpu()
    yield _cpu()


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


def _store(store: Path) -> Finding:
    folder = next(path for path in (store, *store.resolve().parents) if path.exists())
    if not os.access(folder, os.W_OK):
        return Finding("store", False, f"{folder} cannot be written; name another with --store or ASSAY_STORE")
    free = os.statvfs(folder)
    return Finding("store", True, f"{store.resolve()}, {free.f_bavail * free.f_frsize / 2**30:.1f} GiB free")


def _shared_store() -> Iterator[Finding]:
    from tasks.sharing.store import shared_store

    try:
        if (shared := shared_store()) is not None:
            yield Finding("shared store", True, f"{shared.address}, {len(shared.names('runs', '*'))} runs")
    except AssayError as error:
        yield Finding("shared store", False, str(error))


def _mlflow(store: Path) -> Finding:
    uri = default_tracking_uri(store)
    shown = without_password(uri)
    if not uri.startswith(("http://", "https://")):
        return Finding("MLflow", True, f"{shown} (no server; set MLFLOW_TRACKING_URI to use one)")
    return _http("MLflow", f"{uri.rstrip('/')}/health", shown, "start it, or mend MLFLOW_TRACKING_URI")


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


def _mongodb() -> Finding:
    uri = os.environ.get("MONGODB_URI")
    if not uri:
        return Finding("MongoDB", True, "MONGODB_URI is not set; recipes that read MongoDB need it")
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
