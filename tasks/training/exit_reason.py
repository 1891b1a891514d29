"""Pass the error that ended a training process to the process that started it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assay.corpus.errors import AssayError, DataError
from assay.corpus.storage.atomic import atomic_path
from assay.models.training_stops import NonFiniteLoss, PrunedTrial

EXIT_FILE = "exit-{rank}.json"
# The most specific class first: the last one is a base class of the others.
KINDS: tuple[type[AssayError], ...] = (NonFiniteLoss, DataError, AssayError)


@contextmanager
def record_exit(folder: Path) -> Iterator[None]:
    """Write the error that ends the block to `folder`, if it is a user error or a pruned trial."""
    try:
        yield
    except (AssayError, PrunedTrial) as error:
        kind = next((kind.__name__ for kind in KINDS if isinstance(error, kind)), PrunedTrial.__name__)
        with atomic_path(folder / EXIT_FILE.format(rank=os.environ.get("RANK", "0"))) as path:
            scores = error.scores if isinstance(error, PrunedTrial) else []
            path.write_text(json.dumps({"kind": kind, "message": str(error), "scores": scores}), encoding="utf-8")
        raise


def read_exit(folder: Path) -> Exception | None:
    """Return the error that a process of a training has recorded, if there is one."""
    for path in sorted(folder.glob(EXIT_FILE.format(rank="*"))):
        record = json.loads(path.read_text(encoding="utf-8"))
        kinds = {kind.__name__: kind for kind in KINDS}
        return kinds[record["kind"]](record["message"]) if record["kind"] in kinds else PrunedTrial(record["scores"])
    return None
