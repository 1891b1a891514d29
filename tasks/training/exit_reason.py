"""How a process of a training tells the one that started it why it ended."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assay.corpus.errors import AssayError, DataError
from assay.corpus.storage.atomic import atomic_path
from assay.models.callbacks import NonFiniteLoss, PrunedTrial

ENDED = "ended-{rank}.json"
# The most particular kind first: the last one is all the others.
KINDS: tuple[type[AssayError], ...] = (NonFiniteLoss, DataError, AssayError)


@contextmanager
def telling(folder: Path) -> Iterator[None]:
    """Write into `folder` what the block ends with, where a person or a search can do something about it."""
    try:
        yield
    except (AssayError, PrunedTrial) as ended:
        kind = next((kind.__name__ for kind in KINDS if isinstance(ended, kind)), PrunedTrial.__name__)
        with atomic_path(folder / ENDED.format(rank=os.environ.get("RANK", "0"))) as path:
            scores = ended.scores if isinstance(ended, PrunedTrial) else []
            path.write_text(json.dumps({"kind": kind, "message": str(ended), "scores": scores}), encoding="utf-8")
        raise


def told_by(folder: Path) -> Exception | None:
    """What the processes of a training ended with, if one has told."""
    for path in sorted(folder.glob(ENDED.format(rank="*"))):
        told = json.loads(path.read_text(encoding="utf-8"))
        kinds = {kind.__name__: kind for kind in KINDS}
        return kinds[told["kind"]](told["message"]) if told["kind"] in kinds else PrunedTrial(told["scores"])
    return None
