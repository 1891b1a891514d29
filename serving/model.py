"""A model to use from Python: texts in, predictions out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self, overload

from assay.corpus.errors import AssayError
from assay.serving.address import open_bundle
from assay.serving.engine import Engine, Prediction, Row

Text = str | tuple[str, str] | Row


class Model:
    """A loaded model. Threads and forked processes (gunicorn --preload, Celery's prefork workers) can share it.

    Attributes:
        labels: classes of a sentence, in the order of `Prediction.probabilities`; empty without such a head.
        row_labels: labels of which any number may apply, in the order of `Prediction.label_probabilities`; empty
            without such a head.
        entity_types: types of entities; empty without a token head.
        digest: SHA-256 of the bundle, the same as in the registry.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.labels: tuple[str, ...] = tuple(engine.labels)
        self.row_labels: tuple[str, ...] = tuple(engine.row_labels)
        self.entity_types: tuple[str, ...] = tuple(engine.manifest.entity_types)
        self.digest: str = engine.digest

    def __enter__(self) -> Self:
        """Return the model."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the model."""
        self.close()

    def close(self) -> None:
        """End the threads of the model; it predicts nothing after that."""
        self._engine.close()

    @overload
    def predict(self, texts: str) -> Prediction: ...  # type: ignore[overload-overlap]  # a text is a sequence of texts, too

    @overload
    def predict(self, texts: Sequence[Text]) -> list[Prediction]: ...

    def predict(self, texts: str | Sequence[Text]) -> Prediction | list[Prediction]:
        """Predict the class, the labels and the entities of texts.

        Args:
            texts: one text, or a sequence of texts. A model of text pairs takes a sequence of `(text, second text)`.

        Returns:
            One prediction for one text, else one per text, in their order.

        Raises:
            AssayError: an item is neither a text, a pair nor a `Row`, or the model does not take it.

        Example:
            >>> import assay
            >>> model = assay.load("models:/reviews@champion")
            >>> model.predict("Shares of Apple fell after the report.").label
            'bearish'
            >>> [prediction.label for prediction in model.predict(["Apple rises.", "Apple falls."])]
            ['bullish', 'bearish']
        """
        if isinstance(texts, str):
            return self._engine.predict([Row(texts)])[0]
        return self._engine.predict([_row(text, number) for number, text in enumerate(texts)])


def load(
    address: str | Path, *, threads: int | None = None, cache: Path | None = None, tracking_uri: str | None = None
) -> Model:
    """Load a model: download it where needed, verify it, and make it ready to predict.

    Args:
        address: a bundle's folder, `models:/NAME@ALIAS` or `models:/NAME/NUMBER`.
        threads: batches that run at the same time; None: one per CPU of this process.
        cache: folder of downloads; None: `assay` in the user's cache folder.
        tracking_uri: the MLflow server; None: MLFLOW_TRACKING_URI.

    Raises:
        AssayError: nothing is there, the registry is not responding, or the bundle is not what was registered.

    Example:
        >>> import assay
        >>> model = assay.load("models:/reviews@champion")
        >>> model.labels
        ('bearish', 'bullish')
    """
    return Model(Engine(open_bundle(address, cache, tracking_uri), threads))


def _row(text: object, number: int) -> Row:
    match text:
        case Row():
            return text
        case str():
            return Row(text)
        case (str() as first, str() as second):
            return Row(first, second)
    raise AssayError(f"texts[{number}] is {text!r:.80}; give a text, a pair of texts or a Row")
