from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.storage.digest import digest_folder
from assay.corpus.storage.object_store import SharedStore, shared_store


def test_objects_are_read_written_created_once_and_removed(bucket: str) -> None:
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


def test_files_are_kept_by_their_digest_and_proved_when_fetched(bucket: str, tmp_path: Path) -> None:
    shared = SharedStore(bucket)
    made = tmp_path / "made"
    (made / "below").mkdir(parents=True)
    (made / "rows.parquet").write_bytes(b"rows")
    (made / "below" / "again.parquet").write_bytes(b"rows")
    files = digest_folder(made)

    shared.upload_by_digest(made, files)
    shared.upload_by_digest(made, files)
    assert len(shared.names("files", "*/*")) == 1
    shared.fetch(files, tmp_path / "fetched")
    assert digest_folder(tmp_path / "fetched") == files

    [name] = shared.names("files", "*/*")
    shared.write(name, b"rowz")
    with pytest.raises(AssayError, match="is not the file that was written; remove it"):
        shared.fetch(files, tmp_path / "spoilt")
    shared.remove(name)
    with pytest.raises(AssayError, match="FileNotFoundError"):
        shared.fetch(files, tmp_path / "missing")


@pytest.mark.parametrize("address", ["nosuch://bucket", "s3://no-such-bucket-here"])
def test_an_address_that_does_not_answer_is_one_line(
    bucket: str, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("ASSAY_SHARED_STORE", address)
    with pytest.raises(AssayError, match=f"{address} is not responding correctly .* check the address"):
        shared = shared_store()
        assert shared is not None
        shared.write("one", b"1")


def test_without_an_address_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSAY_SHARED_STORE", raising=False)
    assert shared_store() is None
