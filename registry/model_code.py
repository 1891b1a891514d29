"""The serving code that travels with a registered model, under a name of its own.

Models registered by different versions load side by side in one process, beside an installed version: the copy is the
package `assay_DIGEST`, and nothing in it imports `assay`.
"""

import re
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import assay
from assay.corpus.storage.digest import digest_folder, digest_json

PACKAGES = ("corpus", "serving")
FROM = re.compile(r"^(\s*(?:from|import) )assay(?=[. ]\S)", re.MULTILINE)
PLAIN = re.compile(r"^(\s*)import assay$", re.MULTILINE)
_importing = threading.Lock()  # equal code has one name, and parallel flows may register at the same time


def copy_model_code(folder: Path) -> Path:
    """Copy the code that a model needs to serve into a package below `folder`, and return the package's folder.

    The name holds the digest of the source, so that equal code has one name.
    """
    source, copy = Path(assay.__file__).parent, folder / "copy"
    for part in PACKAGES:
        shutil.copytree(source / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "http", "batch"))
    package = copy.rename(folder / f"assay_{digest_json(digest_folder(copy))[:12]}")
    (package / "__init__.py").write_text(f'"""Assay {assay.__version__}, as a model was registered with it."""\n')
    for path in package.rglob("*.py"):
        code = FROM.sub(rf"\1{package.name}", path.read_text(encoding="utf-8"))
        path.write_text(PLAIN.sub(rf"\1import {package.name} as assay", code), encoding="utf-8")
    return package


@contextmanager
def importable(package: Path) -> Iterator[None]:
    """Make the copy importable within the block, and unload it afterwards, since its folder is temporary."""
    with _importing:
        sys.path.insert(0, str(package.parent))
        try:
            yield
        finally:
            sys.path.remove(str(package.parent))
            for name in [name for name in sys.modules if name.partition(".")[0] == package.name]:
                del sys.modules[name]
