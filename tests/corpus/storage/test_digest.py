import hashlib
from pathlib import Path

import pytest

from assay.corpus.storage.digest import canonical_json, digest_file, digest_folder, digest_json


def test_canonical_json_is_equal_for_equal_values() -> None:
    assert canonical_json({"b": [1, None], "a": "ü"}) == '{"a":"ü","b":[1,null]}'.encode()
    assert digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})
    assert digest_json({"a": 1}) != digest_json({"a": "1"})


def test_canonical_json_escapes_a_lone_surrogate() -> None:
    assert canonical_json("a\ud800") == b'"a\\ud800"'


def test_digest_json_rejects_nan() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        digest_json(float("nan"))


def test_digest_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "data").write_bytes(data)
    assert digest_file(tmp_path / "data") == hashlib.sha256(data).hexdigest()


def test_digest_folder_covers_all_files_below(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b").write_bytes(b"2")
    (tmp_path / "a").write_bytes(b"1")
    digests = digest_folder(tmp_path)
    assert list(digests) == ["a", "sub/b"]
    assert digests["sub/b"] == hashlib.sha256(b"2").hexdigest()
