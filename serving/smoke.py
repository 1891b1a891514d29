"""Smoke test: does a bundle still give the answers that it gave at export?

Run it in a fresh process, as a server would start: `python -m assay.serving.smoke FOLDER`. It writes one line
of JSON and ends with 0, or one line to stderr and ends with 1.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle, GoldenRow
from assay.serving.engine import Engine, Prediction, Row

# Other CPUs add up in another order; int8 rounds, so that a small difference can move a whole step.
TOLERANCE = {"fp32": 1e-3, "int8": 0.05}
_TRAINING_STACK = ("torch", "transformers", "prefect", "sklearn", "pandas")


def smoke_test(engine: Engine) -> int:
    """Answer the golden rows.

    Returns:
        How many rows were compared.

    Raises:
        AssayError: there are none, or an answer differs.
    """
    golden = engine.manifest.golden
    if not golden:
        raise AssayError(f"bundle {engine.digest[:12]} holds no golden rows; export the model again")
    answers = engine.predict([Row(row.text, row.text_pair) for row in golden])
    tolerance = TOLERANCE[engine.manifest.precision]
    for number, (row, answer) in enumerate(zip(golden, answers, strict=True)):
        for fault in _differences(row, answer, tolerance):
            raise AssayError(f"golden row {number}: {fault}; export again on this kind of CPU, or serve fp32")
    return len(golden)


def main(arguments: list[str]) -> int:
    """Test the bundle in the folder that the only argument names."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m assay.serving.smoke FOLDER\n")
        return 2
    try:
        engine = Engine(Bundle.load(Path(arguments[0])))
        rows = smoke_test(engine)
        _check_imports()
    except AssayError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    line = {"bundle": engine.digest, "precision": engine.manifest.precision, "rows": rows}
    sys.stdout.write(json.dumps(line) + "\n")
    return 0


def _differences(row: GoldenRow, answer: Prediction, tolerance: float) -> Iterator[str]:
    if answer.label != row.label:
        yield f"the label is {answer.label!r}, at export it was {row.label!r}"
    largest = max((abs(a - b) for a, b in zip(answer.probabilities, row.probabilities, strict=True)), default=0.0)
    if largest > tolerance:
        yield f"a probability differs by {largest:.4f} from the export, more than {tolerance:g}"
    entities = [(entity.start, entity.end, entity.label) for entity in answer.entities]
    if entities != row.entities:
        yield f"the entities are {entities!r:.200}, at export they were {row.entities!r:.200}"


def _check_imports() -> None:
    loaded = [name for name in _TRAINING_STACK if name in sys.modules]
    if loaded:
        raise AssayError(f"serving imported {loaded[0]}, which a server need not have; remove that import")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
