from itertools import combinations
from typing import Any

import pyarrow as pa
import pytest

from assay.corpus.storage.content_hash import ContentHash

SCHEMA = pa.schema(
    {
        "text": pa.string(),
        "names": pa.list_(pa.string()),
        "entities": pa.list_(pa.struct({"start": pa.int32(), "label": pa.string()})),
    }
)


def hash_of(rows: list[dict[str, Any]], *, size: int = 100) -> str:
    content = ContentHash()
    for batch in pa.Table.from_pylist(rows, schema=SCHEMA).to_batches(max_chunksize=size):
        content.update(batch)
    return content.hexdigest()


def row(text: str | None, names: list[str] | None = None, entities: list[dict[str, Any]] | None = None) -> Any:
    return {"text": text, "names": names, "entities": entities}


def test_content_hash_does_not_depend_on_the_batches() -> None:
    rows = [row(f"Süß {n}", ["a"] * (n % 3), [{"start": n, "label": "ORG"}] if n % 2 else None) for n in range(30)]
    assert len({hash_of(rows, size=size) for size in (1, 7, 100)}) == 1


@pytest.mark.parametrize(
    "contents",
    [
        pytest.param([[row("ab"), row("c")], [row("a"), row("bc")], [row("abc")]], id="where a text ends"),
        pytest.param([[row(None)], [row("")], []], id="null, empty and absent"),
        pytest.param([[row("a", ["x"]), row("b", [])], [row("a", []), row("b", ["x"])]], id="whose item it is"),
        pytest.param([[row("a", None)], [row("a", [])]], id="a null list"),
        pytest.param(
            [[row("a", None, [{"start": start, "label": label}])] for start, label in ((0, "A"), (1, "A"), (0, "B"))],
            id="a nested field",
        ),
        pytest.param([[row("a"), row("b")], [row("b"), row("a")]], id="the order of rows"),
    ],
)
def test_content_hash_tells_different_rows_apart(contents: list[list[Any]]) -> None:
    for one, other in combinations(contents, 2):
        assert hash_of(one) != hash_of(other)


def test_content_hash_reads_a_slice_of_a_batch_as_its_rows() -> None:
    rows = [row("first", ["a"]), row("second", ["b", "c"]), row("third", [])]
    whole, sliced = ContentHash(), ContentHash()
    whole.update(pa.RecordBatch.from_pylist(rows[1:], schema=SCHEMA))
    sliced.update(pa.RecordBatch.from_pylist(rows, schema=SCHEMA).slice(1))
    assert whole.hexdigest() == sliced.hexdigest()
