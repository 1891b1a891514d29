"""The software that makes a result: digest of this package's source, versions of the packages that it uses."""

import functools
import platform
from importlib.metadata import version
from pathlib import Path

import assay
from assay.corpus.storage.digest import digest_file, digest_json

# A change in one of these packages of Assay makes every result anew.
SOURCE_PACKAGES = (
    "corpus",
    "recipes",
    "serving",
    "models",
    "expectations",
    "evaluation",
    "runs",
    "registry",
    "tasks",
)
# Another release of one of these may make another result of the same inputs. scikit-learn computes the F1 that chooses
# the epoch and the precision; onnxscript and onnx-ir write the graph.
DEPENDENCIES = (
    "accelerate",
    "numpy",
    "onnx",
    "onnx-ir",
    "onnxruntime",
    "onnxscript",
    "peft",
    "safetensors",
    "scikit-learn",
    "tokenizers",
    "torch",
    "transformers",
)


@functools.cache
def code_digest() -> str:
    """Return the digest of the source of every package that the result of a step depends on."""
    root = Path(assay.__file__).parent
    return digest_json(
        {
            path.relative_to(root).as_posix(): digest_file(path)
            for package in SOURCE_PACKAGES
            for path in sorted((root / package).rglob("*.py"))
        }
    )


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that train and export."""
    return {"python": platform.python_version(), **{name: version(name) for name in DEPENDENCIES}}
