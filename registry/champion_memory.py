"""The number of the last champion, kept in the store, where it outlives a registered model deleted in MLflow."""

import json
from pathlib import Path

from assay.corpus.errors import AssayError
from assay.corpus.storage.atomic import atomic_path
from assay.serving.address import without_password


class ChampionMemory:
    """A small file per registered model, with the number of the last champion by address of MLflow.

    Args:
        path: path of the file; it need not exist.
        tracking_uri: address of MLflow.
    """

    def __init__(self, path: Path, tracking_uri: str) -> None:
        self._path = path
        self._key = without_password(tracking_uri)

    def read(self) -> str | None:
        """Return the number, or None if no champion was promoted through this store.

        Raises:
            AssayError: the file is damaged.
        """
        return self._numbers().get(self._key)

    def write(self, number: str) -> None:
        """Write the number of the present champion."""
        numbers = {**self._numbers(), self._key: number}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(self._path) as partial:
            partial.write_text(json.dumps(numbers), encoding="utf-8")

    def _numbers(self) -> dict[str, str]:
        try:
            numbers: dict[str, str] = json.loads(self._path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except ValueError as error:
            raise AssayError(f"{self._path} is damaged: {error}; remove it to forget the last champion") from error
        return numbers
