"""The model that answers, and the place it stands in: loaded, warmed and checked before it gets there."""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.corpus.errors import AssayError, first_line
from assay.serving.bundle import Bundle
from assay.serving.encoding import EncodedText
from assay.serving.engine import Engine, Row
from assay.serving.http.cost import BatchCost, overhead_in_tokens
from assay.serving.http.server_settings import Limits
from assay.serving.smoke import smoke_test

# Batches whose times tell what a batch costs beside its tokens: both large enough to keep the CPU's units busy.
_SMALL, _LARGE = 4, 16
_WORDS = 32
_TIMES = 5


@dataclass(frozen=True)
class Origin:
    """Where a bundle comes from: the registered model, its version and alias; a folder has neither."""

    name: str
    version: str | None = None
    alias: str | None = None


@dataclass(eq=False)
class ServedModel:
    """An engine and what is known of its model. `figures` and `card` may come later than the model does."""

    engine: Engine
    origin: Origin
    cost: BatchCost = field(default_factory=BatchCost)
    metrics: Mapping[str, float] = field(default_factory=dict)
    card: str | None = None

    @property
    def name(self) -> str:
        """Name of the registered model, else that in the bundle."""
        return self.origin.name

    @property
    def digest(self) -> str:
        """Of the bundle."""
        return self.engine.digest

    @property
    def version_name(self) -> str:
        """The version for protocols that want a text: of a folder, the beginning of its digest."""
        return self.origin.version or self.digest[:12]

    def identity(self) -> dict[str, Any]:
        """What every answer says of the model that gave it."""
        return {"name": self.name, "version": self.origin.version, "digest": self.digest}


def load_model(bundle: Bundle, origin: Origin | None = None, batch_tokens: int = Limits.batch_tokens) -> ServedModel:
    """Make a model that may answer: loaded, its golden rows as at export, every shape run once, its cost measured.

    Args:
        bundle: a verified bundle.
        origin: where it comes from; none: a folder.
        batch_tokens: most tokens of a batch.

    Raises:
        AssayError: it cannot be loaded or run, or a golden row is answered otherwise than at export.
    """
    # One thread: the batcher runs several batches at once.
    engine = Engine(bundle, threads=1, batch_tokens=batch_tokens)
    model = ServedModel(engine, origin or Origin(bundle.manifest.name))
    try:
        smoke_test(engine)
        engine.warm()
        _measure(model)
    except AssayError:
        raise
    except Exception as error:  # onnxruntime's errors have no common base below Exception
        raise AssayError(
            f"{bundle.folder} loads but does not run: {first_line(error)}; export the model again"
        ) from error
    return model


def _measure(model: ServedModel) -> None:
    """Time a few batches, so that the first requests already know how long others will take."""
    item = model.engine.encode([Row("a " * _WORDS, "a" if model.engine.manifest.pair else None)])[0]
    # In turns: the machine may become slower meanwhile.
    timed = [(_time(model.engine, [item] * _SMALL), _time(model.engine, [item] * _LARGE)) for _ in range(_TIMES)]
    small, large = (statistics.median(seconds) for seconds in zip(*timed, strict=True))
    model.cost = BatchCost(overhead_in_tokens((_SMALL * len(item), small), (_LARGE * len(item), large)))
    model.cost.observe(_LARGE, _LARGE * len(item), large)


def _time(engine: Engine, batch: Sequence[EncodedText]) -> float:
    begun = time.perf_counter()
    engine.predict_batch(batch)
    return time.perf_counter() - begun


@dataclass(frozen=True)
class Refused:
    """A version that was to serve and may not; with `again`, it could not be had, and is asked for at each look."""

    version: str | None
    digest: str | None
    reason: str
    at: str
    again: bool = False


class ActiveModel:
    """The model that answers now, and the state of the server around it. Changed on the event loop only."""

    def __init__(self, model: ServedModel, *, degraded: bool = False) -> None:
        self.model = model
        # Whether the registry could not be asked: the model may be older than the alias.
        self.degraded = degraded
        self.refused: Refused | None = None
        self.draining = False

    @property
    def ready(self) -> bool:
        """Whether new requests should be sent here."""
        return not self.draining
