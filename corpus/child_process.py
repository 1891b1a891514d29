"""Environment of child processes that run modules of this package."""

import os
from pathlib import Path

import assay


def child_environment() -> dict[str, str]:
    """Return the environment of this process, with this very package first in PYTHONPATH."""
    root = str(Path(assay.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])}
