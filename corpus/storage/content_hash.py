"""Digests of Arrow rows: independent of the division into batches, and cheap compared with reading the rows."""

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.corpus.storage.digest import digest_json

NULL = -1


class ContentHash:
    """A SHA-256 of lengths and one of bytes for each column and nested field; their digest covers all of them.

    For a text the length in bytes is hashed, for a list the number of its items, `NULL` for null; then bytes or items.
    """

    def __init__(self) -> None:
        self._hashes: dict[str, Any] = {}

    def update(self, batch: pa.RecordBatch) -> None:
        """Hash the next rows."""
        for name in batch.schema.names:
            self._update_column(name, batch[name])

    def hexdigest(self) -> str:
        """Return the digest of all rows hashed so far."""
        return digest_json({name: hash_.hexdigest() for name, hash_ in self._hashes.items()})

    def _update_column(self, name: str, values: pa.Array) -> None:
        if pa.types.is_list(values.type):
            self._update(f"{name}#", _numbers(values.value_lengths()))
            self._update_column(f"{name}[]", values.flatten())
        elif pa.types.is_struct(values.type):
            for field in values.type:
                self._update_column(f"{name}.{field.name}", values.field(field.name))
        elif pa.types.is_string(values.type):
            self._update(f"{name}#", _numbers(pc.binary_length(values)))
            self._update(name, _text_bytes(values))
        else:
            self._update(name, _numbers(values))

    def _update(self, name: str, content: Any) -> None:
        self._hashes.setdefault(name, hashlib.sha256()).update(content)


def _numbers(values: pa.Array) -> Any:
    return np.ascontiguousarray(pc.fill_null(values, NULL).to_numpy(zero_copy_only=False).astype("<i4"))


def _text_bytes(values: pa.Array) -> Any:
    """Return the concatenated bytes of all texts."""
    values = values.drop_null() if values.null_count else values
    if not len(values):
        return b""
    _, offsets, content = values.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int32)[values.offset : values.offset + len(values) + 1]
    return memoryview(content)[bounds[0] : bounds[-1]] if content is not None else b""
