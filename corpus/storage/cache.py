"""The cache folder for files that can be fetched again."""

import os
from pathlib import Path


def user_cache() -> Path:
    """Return the folder `assay` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assay"
