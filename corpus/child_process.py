"""Processes of this package's own modules: a new interpreter that finds the same code."""

import os
from pathlib import Path

import assay


def child_environment() -> dict[str, str]:
    """Return the environment of this process, with a PYTHONPATH that leads to this very package."""
    own = str(Path(assay.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([own, *filter(None, [os.environ.get("PYTHONPATH")])])}
