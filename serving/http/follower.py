"""Follows an alias of the registry: a new champion takes over once it has proved itself, a broken one never does."""

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
from assay.serving.http.active_model import ActiveModel, Origin, Refused, ServedModel, load_model
from assay.serving.http.server_metrics import Metrics
from assay.serving.http.server_settings import Settings
from assay.serving.registered_model import ModelAddress, RegisteredVersion, RegistryClient, UnreachableError
from assay.serving.signatures import verify

logger = logging.getLogger(__name__)

# MLflow knows these as environment variables only; its own values wait for minutes before they say that a server is
# not there. What the environment sets, stays.
_MLFLOW = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


class LastServed(BaseModel):
    """The version that answered last under an address, kept beside the bundles."""

    name: str
    number: str
    digest: str
    signature: str | None = None


class Follower:
    """Looks at an address of the registry, and puts what it means into a active_model."""

    def __init__(self, address: ModelAddress, settings: Settings, metrics: Metrics) -> None:
        """Make a client of the registry.

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
        """The active_model with its first model: what the address means, else the version that answered last.

        Raises:
            AssayError: neither can be had.
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
        self._take_over(active_model, active_model.model, version)
        return active_model

    async def follow(self, active_model: ActiveModel) -> None:
        """Look again and again; never ends by itself, whatever the registry does."""
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.look(active_model)
            except Exception:
                logger.exception("%s could not be looked at; the model stays", self.address)

    async def look(self, active_model: ActiveModel) -> None:
        """Look once: take over what is new and good, refuse what is new and broken."""
        try:
            version = await asyncio.to_thread(self._registry.find, self.address)
        except AssayError as error:
            if not active_model.degraded:
                logger.warning("%s; %s stays", error, active_model.model.version_name)
            self._set_degraded(active_model, degraded=True)
            return
        self._set_degraded(active_model, degraded=False)
        if active_model.model.digest == version.digest and active_model.model.origin.version == version.number:
            active_model.refused = None
            await asyncio.to_thread(self._describe, active_model.model, version)
        elif (
            active_model.refused is None or active_model.refused.again or active_model.refused.digest != version.digest
        ):
            await self._try(active_model, version)

    async def _try(self, active_model: ActiveModel, version: RegisteredVersion) -> None:
        try:
            model = await asyncio.to_thread(self._load, version)
        except AssayError as error:
            self._refuse(active_model, version, error)
            return
        self._take_over(active_model, model, version)

    def _load(self, version: RegisteredVersion) -> ServedModel:
        bundle = self._registry.fetch(version, self._cache)
        model = load_model(bundle, self._origin(version.number), self._batch_tokens)
        self._describe(model, version)
        return model

    def _describe(self, model: ServedModel, version: RegisteredVersion) -> None:
        """Figures and card are written after the promotion: what is missing is asked for again at the next look."""
        try:
            model.metrics = model.metrics or self._registry.metrics(version)
            model.card = model.card or self._registry.card(version)
        except AssayError as error:
            logger.info("no figures or card: %s", error)

    def _take_over(self, active_model: ActiveModel, model: ServedModel, version: RegisteredVersion) -> None:
        before = active_model.model
        # Requests that were encoded for the model before are still answered by it.
        active_model.model = model
        active_model.refused = None
        self._metrics.serves(model)
        if before is not model:
            self._metrics.swaps.inc()
            logger.info("%s: version %s took over from %s", self.address, version.number, before.version_name)
        self._remember(version)

    def _refuse(self, active_model: ActiveModel, version: RegisteredVersion, error: AssayError) -> None:
        now, before = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", active_model.refused
        active_model.refused = Refused(
            version.number, version.digest, str(error), now, again=isinstance(error, UnreachableError)
        )
        if before is not None and (before.digest, before.again) == (version.digest, active_model.refused.again):
            return  # said before
        self._metrics.refused.inc()
        logger.error("%s: version %s is refused, %s stays: %s",
                     self.address, version.number, active_model.model.version_name, error)  # fmt: skip

    def _start_from_cache(self, error: AssayError, *, degraded: bool) -> ActiveModel:
        try:
            last = LastServed.model_validate_json(self._last_path.read_bytes())
            bundle = Bundle.load(self._cache / last.digest, last.digest)
            if self._public_key:
                verify(bundle, last.signature, self._public_key, f"models:/{last.name}/{last.number}")
            model = load_model(bundle, self._origin(last.number), self._batch_tokens)
        except (OSError, ValueError, AssayError):
            raise error from None
        logger.warning("%s; version %s answers, the last good one in the cache", error, last.number)
        active_model = ActiveModel(model)
        self._metrics.serves(model)
        self._set_degraded(active_model, degraded=degraded)
        return active_model

    def _set_degraded(self, active_model: ActiveModel, *, degraded: bool) -> None:
        active_model.degraded = degraded
        self._metrics.degraded.set(degraded)

    def _remember(self, version: RegisteredVersion) -> None:
        last = LastServed(name=version.name, number=version.number, digest=version.digest, signature=version.signature)
        try:
            with atomic_path(self._last_path) as partial:
                partial.write_text(last.model_dump_json(), encoding="utf-8")
        except OSError as error:
            logger.warning("%s cannot be written (%s): a start without the registry will fail", self._last_path, error)

    def _origin(self, number: str) -> Origin:
        return Origin(self.address.name, number, self.address.alias)

    @property
    def _last_path(self) -> Path:
        name = (
            f"{self.address.name}@{self.address.alias}"
            if self.address.alias
            else f"{self.address.name}.{self.address.number}"
        )
        return self._cache / f"{name}.json"
