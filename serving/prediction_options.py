"""What a caller wants of a prediction: the most probable classes, a threshold, labels alone."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from assay.corpus.errors import AssayError

if TYPE_CHECKING:  # the command line imports this module, and waits for no numpy
    from assay.serving.predictions import Prediction, ScoredEntity, ScoredLabel

MAX_CLASSES = 10_000


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class PredictionOptions:
    """Options of a prediction; the defaults leave out nothing."""

    top_k: Annotated[int, Field(ge=1, le=MAX_CLASSES)] | None = None
    """Number of classes whose probabilities are returned, the most probable first; None returns all, in their order."""
    threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    """Least probability of a class, which is None below it, and least score of labels and entities, which are left out.

    It can only raise the threshold of a label, and does not change what is abstained."""
    labels_only: bool = False
    """Whether to leave out the probabilities."""

    def label(self, prediction: "Prediction") -> str | None:
        """Return the label; None if it is less probable than the threshold."""
        return prediction.label if max(prediction.probabilities, default=0.0) >= self.threshold else None

    def probabilities(self, prediction: "Prediction", labels: Sequence[str]) -> dict[str, float]:
        """Return the probabilities by class."""
        pairs = list(zip(labels, prediction.probabilities, strict=True))
        return dict(pairs if self.top_k is None else sorted(pairs, key=lambda pair: -pair[1])[: self.top_k])

    def labels(self, prediction: "Prediction") -> "tuple[ScoredLabel, ...]":
        """Return the labels that apply and reach the threshold."""
        return tuple(one for one in prediction.labels if one.score >= self.threshold)

    def entities(self, prediction: "Prediction") -> "tuple[ScoredEntity, ...]":
        """Return the entities that reach the threshold."""
        if not self.threshold:
            return prediction.entities
        return tuple(entity for entity in prediction.entities if entity.score >= self.threshold)


ALL = PredictionOptions()
NAMES = ("top_k", "threshold", "labels_only")
_OPTIONS = TypeAdapter(PredictionOptions)


def read_options(values: Mapping[str, Any]) -> PredictionOptions:
    """Return the options in the parameters of a request; other parameters, and those that are null, are ignored.

    Raises:
        AssayError: an option is out of range.
    """
    given = {name: values[name] for name in NAMES if values.get(name) is not None}
    if not given:
        return ALL
    for name, value in given.items():
        if isinstance(value, bool) and name != "labels_only":  # pydantic reads true as 1
            raise AssayError(f"{name} is {value}; {_WANTED[name]}")
    try:
        return _OPTIONS.validate_python(given)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise AssayError(f"{fault['loc'][0]} is {fault['input']!r:.40}; {_WANTED[str(fault['loc'][0])]}") from None


_WANTED = {
    "top_k": f"send a number of classes from 1 to {MAX_CLASSES}",
    "threshold": "send a probability from 0 to 1",
    "labels_only": "send true or false",
}
