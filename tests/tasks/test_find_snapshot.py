import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.snapshot import Snapshot
from assay.registry.lineage.version_lineage import lineages
from assay.runs import lineage_record as keeping
from assay.tasks.find_snapshot import find_snapshot
from assay.tasks.reproduce import open_reproduction
from tests.versions import Made, MakeVersion, write_rows

Find = Callable[[Made], Path]


@pytest.fixture
def find(store: Path) -> Find:
    """Return a function that finds the rows of a version in a reproduction."""

    def look(made: Made) -> Path:
        uri = made.run.tracking_uri
        with lineages(uri, made.version.address) as (lineage,), open_reproduction(lineage, store, uri) as run:
            found = find_snapshot.fn(run, lineage, store)
        assert [row.id for row in Snapshot.load(found.path).examples()] == list(made.splits.split_of)
        return found.path

    return look


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every snapshot too large for MLflow."""
    monkeypatch.setattr(keeping, "LARGEST_SNAPSHOT", 0)


def test_find_snapshot_downloads_small_data_from_mlflow(make_version: MakeVersion, find: Find, tmp_path: Path) -> None:
    made = make_version("first")
    shutil.rmtree(made.snapshot.path)
    (tmp_path / "rows.jsonl").unlink()
    assert find(made).is_relative_to(made.run.store / "reproductions")


@pytest.mark.usefixtures("large")
def test_find_snapshot_finds_large_data_in_the_store(make_version: MakeVersion, find: Find) -> None:
    made = make_version("first")
    make_version("second", range(80), {"good": "up"})
    assert find(made) == made.snapshot.path


@pytest.mark.usefixtures("large")
def test_find_snapshot_reads_an_unchanged_source_again(make_version: MakeVersion, find: Find) -> None:
    made = make_version("first")
    shutil.rmtree(made.snapshot.path)
    assert find(made).is_relative_to(made.run.store / "reproductions")


@pytest.mark.usefixtures("large")
def test_find_snapshot_reports_missing_data(make_version: MakeVersion, find: Find, tmp_path: Path) -> None:
    made = make_version("first")
    shutil.rmtree(made.snapshot.path)
    write_rows(tmp_path / "rows.jsonl", range(59))
    with pytest.raises(
        AssayError, match=r"the 60 rows of models:/tiny/1 .* are no longer available: .* source holds other rows now"
    ):
        find(made)
    (tmp_path / "rows.jsonl").unlink()
    with pytest.raises(AssayError, match=r"are no longer available: .* the source cannot be read again"):
        find(made)


@pytest.mark.usefixtures("large")
def test_find_snapshot_refuses_changed_data(make_version: MakeVersion, find: Find) -> None:
    made = make_version("first")
    [part] = made.snapshot.path.glob("*.parquet")
    part.write_bytes(part.read_bytes()[:-1] + b"?")
    with pytest.raises(AssayError, match="has changed since extraction"):
        find(made)
