"""Checks of the environment, with a remedy for whatever is missing."""

import errno
import importlib.metadata
import importlib.util
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from pydantic import RootModel

from assay.corpus.errors import AssayError
from assay.corpus.extras import install_command
from assay.corpus.storage.disk_errors import disk_line
from assay.deployments import reachable
from assay.recipes.recipe import Recipe
from assay.recipes.source_section import HubSource, MongoSource
from assay.serving.address import SQLITE, default_tracking_uri, without_password
from assay.serving.cpu import available_threads, cpu_flags
from assay.serving.openvino_provider import is_installed, supports_cpu

PARTS = ("runs", "ledger", "mlartifacts")  # of a store
PACKAGES = ("torch", "transformers", "peft", "datasets", "prefect", "mlflow", "great_expectations", "pymongo")


class Diagnosis(NamedTuple):
    """The result of one check. `ok` is False if something is missing; `needed` says that a run fails without it."""

    what: str
    ok: bool
    details: str
    needed: bool = True


class Diagnoses(RootModel[list[Diagnosis]]):
    """The results of all checks, as `assay doctor --json` prints them: what, ok, details, needed."""


def examine(store: Path, recipe: Recipe | None = None) -> Iterator[Diagnosis]:
    """Yield a diagnosis per requirement of a run. Checks leave no changes, and take a few seconds each at most.

    Args:
        store: folder of runs, ledger and, without a server, MLflow.
        recipe: recipe whose requirements are checked; None checks those that the environment names.
    """
    missing = [name for name in PACKAGES if not _installed(name)]
    yield _packages(missing)._replace(needed=recipe is not None)
    yield (store_check := examine_store(store))
    yield _mlflow((recipe.registry.tracking_uri if recipe else None) or default_tracking_uri(store))
    if not missing:  # the packages locate everything else
        if fault := _settings_fault():  # nothing that imports Prefect can be checked
            yield Diagnosis(
                "Prefect API", False, f"Prefect cannot read its settings ({fault}); fix PREFECT_API_URL and the like"
            )
        else:
            yield from _deleted(store, recipe) if store_check.ok else ()
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


def _packages(missing: list[str]) -> Diagnosis:
    if missing:
        return Diagnosis("packages", False, f"{', '.join(missing)} not installed; run {install_command('train')}")
    versions = (f"{name} {importlib.metadata.version(name.replace('_', '-'))}" for name in PACKAGES)
    return Diagnosis("packages", True, ", ".join(versions))


def examine_store(store: Path) -> Diagnosis:
    """Check that a store can be created, written and read; whatever the check creates is removed again."""
    store = store.absolute()
    created: list[Path] = []
    try:
        for folder in (*reversed(store.parents), store):
            if not folder.is_dir():
                folder.mkdir()
                created.append(folder)
        for folder in (store, *(store / name for name in PARTS if (store / name).exists())):
            _write_and_read(folder)
        free = os.statvfs(store)
    except OSError as error:
        return Diagnosis("store", False, f"{disk_line(error, store)} (--store or ASSAY_STORE selects another one)")
    finally:
        for folder in reversed(created):
            folder.rmdir()
    return Diagnosis("store", True, f"{store}, {free.f_bavail * free.f_frsize / 2**30:.1f} GiB free")


def _write_and_read(folder: Path) -> None:
    content = os.urandom(4096)  # a full disk still accepts empty files
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        if Path(file.name).read_bytes() != content:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder))


def _shared_store() -> Iterator[Diagnosis]:
    from assay.corpus.storage.object_store import shared_store

    try:
        if (shared := shared_store()) is not None:
            yield Diagnosis("shared store", True, f"{shared.address}, {len(shared.names('runs', '*'))} runs")
    except AssayError as error:
        yield Diagnosis("shared store", False, str(error))


def _mlflow(uri: str) -> Diagnosis:
    shown = without_password(uri)
    if uri.startswith(("http://", "https://")):
        fault = reachable.http_fault(f"{uri.rstrip('/')}/health", reachable.mlflow_authorization())
        if fault:
            return _not_responding("MLflow", shown, fault, "start it, or fix MLFLOW_TRACKING_URI")
        return Diagnosis("MLflow", True, shown)
    if not reachable.can_be_checked(uri):
        return Diagnosis("MLflow", True, f"{shown} (not checked)")
    if fault := reachable.database_fault(uri):
        return Diagnosis("MLflow", False, fault if uri.startswith(SQLITE) else f"{shown}: {fault}")
    return Diagnosis("MLflow", True, f"{shown} (no server; set MLFLOW_TRACKING_URI to use one)")


def _deleted(store: Path, recipe: Recipe | None) -> Iterator[Diagnosis]:
    from assay.deployments.deleted_in_mlflow import damaged_runs, deleted_in_mlflow

    for line in damaged_runs(store):
        yield Diagnosis("runs", False, line)
    for ok, line in deleted_in_mlflow(store, recipe, lambda uri: _mlflow(uri).ok):
        yield Diagnosis("deleted in MLflow", ok, line)


def _settings_fault() -> str | None:
    """Return why Prefect cannot read its settings, without passwords, which its own error may contain."""
    from prefect.settings import get_current_settings
    from pydantic import ValidationError

    try:
        get_current_settings()
    except ValidationError as error:
        faults = (": ".join([*map(str, fault["loc"]), fault["msg"]]) for fault in error.errors())
        return without_password("; ".join(faults))
    return None


def _prefect() -> Diagnosis:
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    if not url:
        return Diagnosis(
            "Prefect API", True, "not set: `assay run` starts a temporary server; set PREFECT_API_URL to use another"
        )
    shown = without_password(url)
    if fault := reachable.http_fault(f"{url.rstrip('/')}/health"):
        remedy = "start it with `prefect server start`, or fix PREFECT_API_URL"
        return _not_responding("Prefect API", shown, fault, remedy)
    return Diagnosis("Prefect API", True, shown)


def _mongodb(address: str | None) -> Diagnosis:
    kind, _, variable = (address or "env:MONGODB_URI").partition(":")
    if kind == "block":
        return Diagnosis("MongoDB", True, f"the address is in {address} of Prefect")
    uri = os.environ.get(variable) if kind == "env" else address
    if not uri:
        return Diagnosis("MongoDB", address is None, f"{variable} is not set; recipes that read MongoDB need it")
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    shown = without_password(uri)
    try:
        with MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=int(reachable.TIMEOUT_S * 1000)) as client:
            client.admin.command("ping")
    except PyMongoError as error:
        reason = without_password(str(error).splitlines()[0])[:200]
        return Diagnosis("MongoDB", False, f"{shown} is not responding: {reason}; start it, or fix MONGODB_URI")
    return Diagnosis("MongoDB", True, shown)


def _hub() -> Diagnosis:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return Diagnosis("hub", True, "HF_HUB_OFFLINE is set: only local folders and the cache are used")
    host = urlsplit(constants.ENDPOINT).hostname or ""
    try:
        socket.create_connection((host, 443), timeout=reachable.TIMEOUT_S).close()
    except OSError as error:
        return Diagnosis("hub", False, f"{host} cannot be reached ({error}); use local folders, or set HF_ENDPOINT")
    return Diagnosis("hub", True, host)


def _gpu() -> Diagnosis:
    import torch

    if not torch.cuda.is_available():
        return Diagnosis("GPU", True, "none: training uses the CPU")
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return Diagnosis("GPU", True, ", ".join(names))


def _cpu() -> Diagnosis:
    flags = cpu_flags()
    int8 = "int8 in hardware" if {"avx512_vnni", "avx_vnni", "asimddp"} & set(flags) else "no int8 instructions"
    details = f"{available_threads()} cores, {' '.join(flags) or 'no vector flags found'} ({int8}{_bf16()})"
    return Diagnosis("CPU", True, details)


def _bf16() -> str:
    if not supports_cpu():
        return ""
    return ", bf16 by OpenVINO" if is_installed() else f", bf16 by {install_command('openvino')}"


def _not_responding(what: str, shown: str, fault: str, remedy: str) -> Diagnosis:
    return Diagnosis(what, False, f"{shown} is not responding ({fault}); {remedy}")
