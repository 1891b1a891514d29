"""Smoke test: compare the predictions of a bundle with those at export.

`python -m assay.serving.smoke FOLDER` runs it in a new process, as a server would start. It writes one line of JSON and
exits with 0, or one line to stderr and exits with 1.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle, GoldenRow
from assay.serving.engine import Engine, Prediction, Row

# Other CPUs add in another order, and int8 rounds, so that a small difference can become a whole step.
TOLERANCE = {"fp32": 1e-3, "bf16": 0.02, "int8": 0.05}
_TRAINING_STACK = ("torch", "transformers", "prefect", "sklearn", "pandas")


def smoke_test(engine: Engine) -> int:
    """Predict the golden rows, and compare the predictions with those at export.

    Returns:
        The number of compared rows.

    Raises:
        AssayError: the bundle has no golden rows, or a prediction differs.
    """
    golden = engine.golden
    if not golden:
        raise AssayError(f"bundle {engine.digest[:12]} holds no golden rows; export the model again")
    predictions = engine.predict([Row(row.text, row.text_pair) for row in golden])
    tolerance = TOLERANCE[engine.precision]
    for number, (row, prediction) in enumerate(zip(golden, predictions, strict=True)):
        for difference in _differences(row, prediction, tolerance, engine):
            raise AssayError(
                f"golden row {number}: {difference}; export the model again on this kind of CPU, or serve fp32"
            )
    return len(golden)


def main(arguments: list[str]) -> int:
    """Test the bundle in the folder given as the only argument, in each of its precisions, and return the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m assay.serving.smoke FOLDER\n")
        return 2
    try:
        bundle = Bundle.load(Path(arguments[0]))
        engine = Engine(bundle)
        rows = smoke_test(engine)
        if engine.precision != bundle.manifest.precision:  # which serves on other CPUs
            smoke_test(Engine(bundle, precision=bundle.manifest.precision))
        _check_imports()
    except AssayError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    line = {"bundle": engine.digest, "precision": engine.precision, "rows": rows}
    sys.stdout.write(json.dumps(line) + "\n")
    return 0


def _differences(row: GoldenRow, prediction: Prediction, tolerance: float, engine: Engine) -> Iterator[str]:
    if prediction.label != row.label:
        yield f"the label is {prediction.label!r}, at export it was {row.label!r}"
    largest = max((abs(a - b) for a, b in zip(prediction.probabilities, row.probabilities, strict=True)), default=0.0)
    if largest > tolerance:
        yield f"a probability differs by {largest:.4f} from the export, more than {tolerance:g}"
    labels = [one.label for one in prediction.labels]
    if (set(labels) ^ set(row.labels)) - engine.labels_at_threshold(row.label_probabilities, tolerance):
        yield f"the labels are {labels!r:.200}, at export they were {row.labels!r:.200}"
    pairs = zip(prediction.label_probabilities, row.label_probabilities, strict=True)
    if (largest := max((abs(a - b) for a, b in pairs), default=0.0)) > tolerance:
        yield f"the probability of a label differs by {largest:.4f} from the export, more than {tolerance:g}"
    entities = [(entity.start, entity.end, entity.label) for entity in prediction.entities]
    if entities != row.entities:
        yield f"the entities are {entities!r:.200}, at export they were {row.entities!r:.200}"


def _check_imports() -> None:
    loaded = [name for name in _TRAINING_STACK if name in sys.modules]
    if loaded:
        raise AssayError(f"serving imported {loaded[0]}, which a server may not have; remove that import")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
