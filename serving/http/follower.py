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
from assay.serving.http.active_model import Origin, Refused, ServedModel, Slot, load_model
from assay.serving.http.server_metrics import Metrics
from assay.serving.http.server_settings import Settings
from assay.serving.registered_model import ModelAddress, RegisteredVersion, Registry, UnreachableError
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


class LastGood(BaseModel):
    """The version that answered last under an address, kept beside the bundles."""

    name: str
    number: str
    digest: str
    signature: str | None = None


class Follower:
    """Looks at an address of the registry, and puts what it means into a slot."""

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
        self._registry = Registry(settings.tracking_uri, settings.public_key)

    def start(self) -> Slot:
        """The slot with its first model: what the address means, else the version that answered last.

        Raises:
            AssayError: neither can be had.
        """
        try:
            version = self._registry.find(self.address)
        except AssayError as error:
            return self._start_from_cache(error, degraded=True)
        try:
            slot = Slot(self._load(version))
        except AssayError as error:
            slot = self._start_from_cache(error, degraded=False)
            self._refuse(slot, version, error)
            return slot
        self._take_over(slot, slot.model, version)
        return slot

    async def follow(self, slot: Slot) -> None:
        """Look again and again; never ends by itself, whatever the registry does."""
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.look(slot)
            except Exception:
                logger.exception("%s could not be looked at; the model stays", self.address)

    async def look(self, slot: Slot) -> None:
        """Look once: take over what is new and good, refuse what is new and broken."""
        try:
            version = await asyncio.to_thread(self._registry.find, self.address)
        except AssayError as error:
            if not slot.degraded:
                logger.warning("%s; %s stays", error, slot.model.version_name)
            self._set_degraded(slot, degraded=True)
            return
        self._set_degraded(slot, degraded=False)
        if slot.model.digest == version.digest and slot.model.origin.version == version.number:
            slot.refused = None
            await asyncio.to_thread(self._describe, slot.model, version)
        elif slot.refused is None or slot.refused.again or slot.refused.digest != version.digest:
            await self._try(slot, version)

    async def _try(self, slot: Slot, version: RegisteredVersion) -> None:
        try:
            model = await asyncio.to_thread(self._load, version)
        except AssayError as error:
            self._refuse(slot, version, error)
            return
        self._take_over(slot, model, version)

    def _load(self, version: RegisteredVersion) -> ServedModel:
        bundle = self._registry.fetch(version, self._cache)
        model = load_model(bundle, self._origin(version.number), self._batch_tokens)
        self._describe(model, version)
        return model

    def _describe(self, model: ServedModel, version: RegisteredVersion) -> None:
        """Figures and card are written after the promotion: what is missing is asked for again at the next look."""
        try:
            model.figures = model.figures or self._registry.figures(version)
            model.card = model.card or self._registry.card(version)
        except AssayError as error:
            logger.info("no figures or card: %s", error)

    def _take_over(self, slot: Slot, model: ServedModel, version: RegisteredVersion) -> None:
        before = slot.model
        # Requests that were encoded for the model before are still answered by it.
        slot.model = model
        slot.refused = None
        self._metrics.serves(model)
        if before is not model:
            self._metrics.swaps.inc()
            logger.info("%s: version %s took over from %s", self.address, version.number, before.version_name)
        self._remember(version)

    def _refuse(self, slot: Slot, version: RegisteredVersion, error: AssayError) -> None:
        now, before = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", slot.refused
        slot.refused = Refused(
            version.number, version.digest, str(error), now, again=isinstance(error, UnreachableError)
        )
        if before is not None and (before.digest, before.again) == (version.digest, slot.refused.again):
            return  # said before
        self._metrics.refused.inc()
        logger.error("%s: version %s is refused, %s stays: %s",
                     self.address, version.number, slot.model.version_name, error)  # fmt: skip

    def _start_from_cache(self, error: AssayError, *, degraded: bool) -> Slot:
        try:
            last = LastGood.model_validate_json(self._last_path.read_bytes())
            bundle = Bundle.load(self._cache / last.digest, last.digest)
            if self._public_key:
                verify(bundle, last.signature, self._public_key, f"models:/{last.name}/{last.number}")
            model = load_model(bundle, self._origin(last.number), self._batch_tokens)
        except (OSError, ValueError, AssayError):
            raise error from None
        logger.warning("%s; version %s answers, the last good one in the cache", error, last.number)
        slot = Slot(model)
        self._metrics.serves(model)
        self._set_degraded(slot, degraded=degraded)
        return slot

    def _set_degraded(self, slot: Slot, *, degraded: bool) -> None:
        slot.degraded = degraded
        self._metrics.degraded.set(degraded)

    def _remember(self, version: RegisteredVersion) -> None:
        last = LastGood(name=version.name, number=version.number, digest=version.digest, signature=version.signature)
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
