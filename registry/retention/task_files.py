"""Files of tasks for annotation tools that lie in a store, and the rows that they hold."""

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assay.corpus.documents.annotators.decisions import decided_row
from assay.corpus.documents.annotators.formula_cells import texts_of_cells
from assay.corpus.documents.values import UnreadableError

SUFFIXES = (".json", ".jsonl", ".csv")
# Folders that Assay, MLflow and Prefect write: their rows are searched by what each holds, and there are many files.
OWN = frozenset(
    {"artifacts", "champions", "checks", "corrections", "labels", "ledger", "locks", "mlartifacts", "mlruns"}
    | {"monitoring", "predict", "prefect", "reproductions", "runs", "services"}
)


def task_files(store: Path) -> Iterator[tuple[Path, set[str]]]:
    """Yield the files of tasks in a store, outside of its own folders, with the ids of their rows."""
    for folder, folders, names in os.walk(store):
        if Path(folder) == store:
            folders[:] = [name for name in folders if name not in OWN]
        for name in sorted(names):
            if name.lower().endswith(SUFFIXES) and (rows := _row_ids(Path(folder, name))):
                yield Path(folder, name), rows


def _row_ids(path: Path) -> set[str]:
    """Return the ids of the rows that tasks are about; none for a file that holds no tasks."""
    rows: set[str] = set()
    for record in _records(path):
        try:
            rows.add(decided_row(record, None))
        except UnreadableError:
            continue
    return rows


def _records(path: Path) -> list[Mapping[str, Any]]:
    """Return the records of a table, of a JSON array, or of JSON lines, whatever the file is called."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".csv":
            return list(map(texts_of_cells, csv.DictReader(io.StringIO(text))))
        try:
            values = json.loads(text)
        except ValueError:
            values = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, csv.Error, OSError):
        return []
    values = values if isinstance(values, list) else [values]
    return [value for value in values if isinstance(value, Mapping)]
