"""Errors of a full disk, which safetensors and torch raise as their own types."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from assay.corpus.errors import AssayError


@contextmanager
def weights_written_to(folder: Path) -> Iterator[None]:
    """Convert a failed write of weights into one line; an OSError passes through.

    Raises:
        AssayError: safetensors or torch could not write the weights.
    """
    try:
        yield
    except SafetensorError as error:
        raise _failed(folder, error) from error
    except RuntimeError as error:
        # torch.save raises this when the underlying stream fails, without the reason of the system.
        if "inline_container" not in str(error):
            raise
        raise _failed(folder, error) from error


def _failed(folder: Path, error: Exception) -> AssayError:
    reason = " ".join(str(error).split())
    return AssayError(
        f"weights cannot be written to {folder} ({reason}); free disk space, then start the run again: "
        "it resumes after the last complete epoch"
    )
