from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.storage.digest import digest_folder
from assay.corpus.storage.object_store import SharedStore, shared_store


def test_shared_store_reads_writes_creates_once_and_removes(bucket: str) -> None:
    shared = SharedStore(f"{bucket}/prefix")
    assert shared.read("a/one.json") is None
    assert shared.create("a/one.json", b"1")
    assert not shared.create("a/one.json", b"2")
    assert shared.read("a/one.json") == b"1"
    shared.write("a/one.json", b"3")
    shared.write("a/two.txt", b"")
    assert shared.read("a/one.json") == b"3"
    assert shared.names("a", "*.json") == ["a/one.json"]
    shared.remove("a")
    shared.remove("a")
    assert shared.names("a", "*") == []


def test_shared_store_keeps_files_by_digest_and_verifies_downloads(bucket: str, tmp_path: Path) -> None:
    shared = SharedStore(bucket)
    folder = tmp_path / "made"
    (folder / "below").mkdir(parents=True)
    (folder / "rows.parquet").write_bytes(b"rows")
    (folder / "below" / "again.parquet").write_bytes(b"rows")
    files = digest_folder(folder)

    shared.upload_by_digest(folder, files)
    shared.upload_by_digest(folder, files)
    assert len(shared.names("files", "*/*")) == 1
    shared.fetch(files, tmp_path / "fetched")
    assert digest_folder(tmp_path / "fetched") == files

    [name] = shared.names("files", "*/*")
    shared.write(name, b"rowz")
    with pytest.raises(AssayError, match="has changed since it was written; remove it"):
        shared.fetch(files, tmp_path / "spoilt")
    shared.remove(name)
    with pytest.raises(AssayError, match="FileNotFoundError"):
        shared.fetch(files, tmp_path / "missing")


@pytest.mark.parametrize("address", ["nosuch://bucket", "s3://no-such-bucket-here"])
def test_shared_store_fails_with_one_line(bucket: str, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("ASSAY_SHARED_STORE", address)
    with pytest.raises(AssayError, match=f"{address} is not responding correctly .* check the address"):
        shared = shared_store()
        assert shared is not None
        shared.write("one", b"1")


def test_shared_store_is_none_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSAY_SHARED_STORE", raising=False)
    assert shared_store() is None
