"""Where what can be fetched again is kept."""

import os
from pathlib import Path


def user_cache() -> Path:
    """`assay` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assay"
