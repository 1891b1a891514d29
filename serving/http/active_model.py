"""The active model: loaded, warmed up and checked before it serves requests."""

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
from assay.serving.smoke import smoke_test

# Rows of the two batches that are timed to measure the overhead of a batch; both keep the CPU's units busy.
_SMALL, _LARGE = 4, 16
_WORDS = 32
_REPETITIONS = 5


@dataclass(frozen=True)
class Origin:
    """Registered model, version and alias of a bundle; a local folder has neither version nor alias."""

    name: str
    version: str | None = None
    alias: str | None = None


@dataclass(eq=False)
class ServedModel:
    """An engine and the metadata of its model. `metrics` and `card` may be added after the model is loaded."""

    engine: Engine
    origin: Origin
    cost: BatchCost = field(default_factory=BatchCost)
    metrics: Mapping[str, float] = field(default_factory=dict)
    card: str | None = None

    @property
    def name(self) -> str:
        """Name of the registered model; of a local folder, the name in the bundle."""
        return self.origin.name

    @property
    def digest(self) -> str:
        """Digest of the bundle."""
        return self.engine.digest

    @property
    def version_name(self) -> str:
        """Version as text, for protocols that require one; of a local folder, the beginning of its digest."""
        return self.origin.version or self.digest[:12]

    def identity(self) -> dict[str, Any]:
        """Return the name, version and digest that every response carries."""
        return {"name": self.name, "version": self.origin.version, "digest": self.digest}


def load_model(bundle: Bundle, origin: Origin | None = None, batch_tokens: int | None = None) -> ServedModel:
    """Load a model, check its golden rows, run every shape once, and measure its cost.

    Args:
        bundle: verified bundle.
        origin: registered model that the bundle belongs to; None for a local folder.
        batch_tokens: maximum number of tokens per batch; None uses what is fastest in the precision of the model.

    Raises:
        AssayError: the model does not load or run, or its prediction for a golden row differs from the one at export.
    """
    # One thread: the batcher runs several batches at the same time.
    engine = Engine(bundle, threads=1, batch_tokens=batch_tokens)
    model = ServedModel(engine, origin or Origin(bundle.manifest.name))
    try:
        smoke_test(engine)
        engine.warm_up()
        _measure(model)
    except AssayError:
        raise
    except Exception as error:  # onnxruntime's errors have no common base below Exception
        raise AssayError(
            f"{bundle.folder} loads but does not run: {first_line(error)}; export the model again"
        ) from error
    return model


def _measure(model: ServedModel) -> None:
    """Time a few batches, so that waits can be estimated from the first request on."""
    item = model.engine.encode([Row("a " * _WORDS, "a" if model.engine.manifest.pair else None)])[0]
    # Small and large batches alternate: the machine may slow down during the measurement.
    timed = [(_time(model.engine, [item] * _SMALL), _time(model.engine, [item] * _LARGE)) for _ in range(_REPETITIONS)]
    small, large = (statistics.median(seconds) for seconds in zip(*timed, strict=True))
    model.cost = BatchCost(overhead_in_tokens((_SMALL * len(item), small), (_LARGE * len(item), large)))
    model.cost.observe(_LARGE, _LARGE * len(item), large)


def _time(engine: Engine, batch: Sequence[EncodedText]) -> float:
    begin = time.perf_counter()
    engine.predict_batch(batch)
    return time.perf_counter() - begin


@dataclass(frozen=True)
class RefusedVersion:
    """A version that may not serve. With `again`, it could not be downloaded, and every poll tries again."""

    version: str | None
    digest: str | None
    reason: str
    at: str
    again: bool = False


class ActiveModel:
    """The model that serves requests, and the state of the server. Changed on the event loop only."""

    def __init__(self, model: ServedModel, *, degraded: bool = False) -> None:
        self.model = model
        # Whether the registry is unreachable: the alias may name a newer version.
        self.degraded = degraded
        self.refused: RefusedVersion | None = None
        self.draining = False

    @property
    def ready(self) -> bool:
        """Whether load balancers should send new requests to this server."""
        return not self.draining
