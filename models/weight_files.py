"""Errors of a disk that is full: safetensors and torch hide them in kinds of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from assay.corpus.errors import AssayError


@contextmanager
def weights_written_to(folder: Path) -> Iterator[None]:
    """Turn a failed write of weights into one line; a plain OSError is left to the caller.

    Raises:
        AssayError: safetensors or torch could not write.
    """
    try:
        yield
    except SafetensorError as error:
        raise _failed(folder, error) from error
    except RuntimeError as error:
        # What torch.save raises when the stream under it breaks; it keeps the system's reason to itself.
        if "inline_container" not in str(error):
            raise
        raise _failed(folder, error) from error


def _failed(folder: Path, error: Exception) -> AssayError:
    reason = " ".join(str(error).split())
    return AssayError(
        f"weights cannot be written to {folder} ({reason}); free disk space, then start the run again: "
        "it goes on behind the last whole epoch"
    )
