import errno
import json
from collections.abc import Sequence
from pathlib import Path

import fsspec
import pytest

from assay.corpus.documents.raw_document import Document
from assay.corpus.errors import AssayError
from assay.corpus.sources.files import find_files, read_files
from assay.corpus.storage.remote_files import address_of, copies, exists, fetch_file, remove_file, send_file


@pytest.fixture(autouse=True)
def _own_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def put(address: str, rows: Sequence[int]) -> None:
    fsspec.filesystem("s3").pipe_file(address, "".join(json.dumps({"n": row}) + "\n" for row in rows).encode())


def test_fetch_files_serves_sources_at_an_address(bucket: str) -> None:
    put(f"{bucket}/new/one.jsonl", [1, 2])
    put(f"{bucket}/new/two.jsonl", [3])
    files = find_files({f"{bucket}/new/*.jsonl": "all"})
    assert [address_of(path) for path in files] == [f"{bucket}/new/one.jsonl", f"{bucket}/new/two.jsonl"]
    assert [row.position for row in read_files(files) if isinstance(row, Document)] == ["one:1", "one:2", "two:1"]
    assert address_of(Path("/data/rows.jsonl")) == "/data/rows.jsonl"
    with pytest.raises(AssayError, match="there is no such file"):
        find_files({f"{bucket}/old/*.jsonl": "all"})


def test_fetch_file_downloads_again_when_the_file_changes(bucket: str) -> None:
    address = f"{bucket}/rows.jsonl"
    put(address, [1])
    path = fetch_file(address)
    copied_at = path.stat().st_mtime_ns
    assert fetch_file(address) == path
    assert path.stat().st_mtime_ns == copied_at
    put(address, [1, 2])
    assert len(fetch_file(address).read_text().splitlines()) == 2
    assert path.is_relative_to(copies())


def test_fetch_file_fails_with_one_line(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="names 0 files"):
        fetch_file(f"{bucket}/nothing.jsonl")
    with pytest.raises(AssayError, match="nosuch://a/b is not responding"):
        fetch_file("nosuch://a/b")
    with pytest.raises(AssayError, match=r"https://example\.org/rows\.jsonl: .*download it"):
        fetch_file("https://example.org/rows.jsonl")
    (tmp_path / "x").write_text("x")
    with pytest.raises(AssayError, match="s3://not-there-at-all/x is not responding"):
        send_file(tmp_path / "x", "s3://not-there-at-all/x")


def test_remove_file_removes_what_is_there(bucket: str) -> None:
    address = f"{bucket}/rows.jsonl"
    put(address, [1])
    for _ in range(2):  # a file that is already gone is no error
        remove_file(address)
        assert not exists(address)


def test_fetch_file_names_the_folder_of_a_full_disk(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"{bucket}/rows.jsonl"
    put(address, [1])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    system, _ = fsspec.url_to_fs(address, use_listings_cache=False)
    monkeypatch.setattr(system, "get_file", full)
    with pytest.raises(AssayError, match=f"{copies()}"):
        fetch_file(address)
    assert not list(copies().rglob("rows.jsonl*"))
