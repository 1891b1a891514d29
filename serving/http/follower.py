"""Follower of a registry alias: a new champion becomes active after it passes its checks, a broken one never does."""

import asyncio
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel

from assay.corpus.errors import AssayError
from assay.corpus.storage.atomic import atomic_path
from assay.serving.address import default_cache
from assay.serving.bundle import Bundle
from assay.serving.http.active_model import ActiveModel, Origin, RefusedVersion, ServedModel, load_model
from assay.serving.http.server_metrics import ServerMetrics
from assay.serving.http.server_settings import Settings
from assay.serving.registered_model import ModelAddress, RegisteredVersion, RegistryClient, UnreachableError
from assay.serving.signatures import verify

logger = logging.getLogger(__name__)

# MLflow reads these from the environment only, and its defaults wait for minutes before they report that a server is
# not responding. Values that the environment sets are kept.
_MLFLOW = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


class LastServed(BaseModel):
    """The version that an address served last, stored beside the bundles of the cache."""

    name: str
    number: str
    digest: str
    signature: str | None = None


class Follower:
    """Polls an address of the registry, and sets the active model to the version that it names."""

    def __init__(self, address: ModelAddress, settings: Settings, metrics: ServerMetrics) -> None:
        """Create a client of the registry.

        Raises:
            AssayError: mlflow is not installed.
        """
        for name, value in _MLFLOW.items():
            os.environ.setdefault(name, value)
        self.address = address
        self._seconds = settings.follow
        self._public_key = settings.public_key
        self._batch_tokens = settings.limits.batch_tokens
        self._cache = settings.cache or default_cache()
        self._metrics = metrics
        self._registry = RegistryClient(settings.tracking_uri, settings.public_key)

    def start(self) -> ActiveModel:
        """Return the first active model: the version that the address names, or else the one that was served last.

        Raises:
            AssayError: neither can be loaded.
        """
        try:
            version = self._registry.find(self.address)
        except AssayError as error:
            return self._start_from_cache(error, degraded=True)
        try:
            active_model = ActiveModel(self._load(version))
        except AssayError as error:
            active_model = self._start_from_cache(error, degraded=False)
            self._refuse(active_model, version, error)
            return active_model
        self._activate(active_model, active_model.model, version)
        return active_model

    async def follow(self, active_model: ActiveModel) -> None:
        """Poll until the task is cancelled; no error of the registry ends it."""
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.poll(active_model)
            except Exception:
                logger.exception("%s could not be checked; the active model stays", self.address)

    async def poll(self, active_model: ActiveModel) -> None:
        """Check the address once: activate a new version, or refuse it if it is broken."""
        try:
            version = await asyncio.to_thread(self._registry.find, self.address)
        except AssayError as error:
            if not active_model.degraded:
                logger.warning("%s; version %s stays active", error, active_model.model.version_name)
            self._set_degraded(active_model, degraded=True)
            return
        self._set_degraded(active_model, degraded=False)
        refused = active_model.refused
        if active_model.model.digest == version.digest and active_model.model.origin.version == version.number:
            active_model.refused = None
            await asyncio.to_thread(self._describe, active_model.model, version)
        elif refused is None or refused.again or refused.digest != version.digest:
            await self._try_version(active_model, version)

    async def _try_version(self, active_model: ActiveModel, version: RegisteredVersion) -> None:
        try:
            model = await asyncio.to_thread(self._load, version)
        except AssayError as error:
            self._refuse(active_model, version, error)
            return
        self._activate(active_model, model, version)

    def _load(self, version: RegisteredVersion) -> ServedModel:
        bundle = self._registry.fetch(version, self._cache)
        model = load_model(bundle, self._origin(version.number), self._batch_tokens)
        self._describe(model, version)
        return model

    def _describe(self, model: ServedModel, version: RegisteredVersion) -> None:
        """Add metrics and card. They are written after the promotion: each poll requests what is still missing."""
        try:
            model.metrics = model.metrics or self._registry.metrics(version)
            model.card = model.card or self._registry.card(version)
        except AssayError as error:
            logger.info("metrics or card are not available: %s", error)

    def _activate(self, active_model: ActiveModel, model: ServedModel, version: RegisteredVersion) -> None:
        previous = active_model.model
        # The previous model still predicts the requests that were encoded for it.
        active_model.model = model
        active_model.refused = None
        self._metrics.set_model(model)
        if previous is not model:
            self._metrics.model_changes.labels(self.address.name).inc()
            logger.info("%s: version %s replaces version %s", self.address, version.number, previous.version_name)
        self._save_last_served(version)

    def _refuse(self, active_model: ActiveModel, version: RegisteredVersion, error: AssayError) -> None:
        now, previous = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", active_model.refused
        refused = RefusedVersion(
            version.number, version.digest, str(error), now, again=isinstance(error, UnreachableError)
        )
        active_model.refused = refused
        if previous is not None and (previous.digest, previous.again) == (refused.digest, refused.again):
            return  # reported before
        self._metrics.refused.labels(self.address.name).inc()
        logger.error("%s: version %s is refused, version %s stays active: %s",
                     self.address, version.number, active_model.model.version_name, error)  # fmt: skip

    def _start_from_cache(self, error: AssayError, *, degraded: bool) -> ActiveModel:
        try:
            last = LastServed.model_validate_json(self._last_served_path.read_bytes())
            bundle = Bundle.load(self._cache / last.digest, last.digest)
            if self._public_key:
                verify(bundle, last.signature, self._public_key, f"models:/{last.name}/{last.number}")
            model = load_model(bundle, self._origin(last.number), self._batch_tokens)
        except (OSError, ValueError, AssayError):
            raise error from None
        logger.warning("%s; serving version %s, the last valid one in the cache", error, last.number)
        active_model = ActiveModel(model)
        self._metrics.set_model(model)
        self._set_degraded(active_model, degraded=degraded)
        return active_model

    def _set_degraded(self, active_model: ActiveModel, *, degraded: bool) -> None:
        active_model.degraded = degraded
        self._metrics.degraded.labels(self.address.name).set(degraded)

    def _save_last_served(self, version: RegisteredVersion) -> None:
        last = LastServed(name=version.name, number=version.number, digest=version.digest, signature=version.signature)
        path = self._last_served_path
        try:
            with atomic_path(path) as partial:
                partial.write_text(last.model_dump_json(), encoding="utf-8")
        except OSError as error:
            logger.warning("%s cannot be written (%s): a start without the registry will fail", path, error)

    def _origin(self, number: str) -> Origin:
        return Origin(self.address.name, number, self.address.alias)

    @property
    def _last_served_path(self) -> Path:
        name = (
            f"{self.address.name}@{self.address.alias}"
            if self.address.alias
            else f"{self.address.name}.{self.address.number}"
        )
        return self._cache / f"{name}.json"
