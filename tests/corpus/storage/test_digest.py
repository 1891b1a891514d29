import hashlib
from pathlib import Path

import pytest

from assay.corpus.storage.digest import canonical_json, digest_file, digest_folder, digest_json


def test_equal_values_have_one_byte_string() -> None:
    assert canonical_json({"b": [1, None], "a": "ü"}) == '{"a":"ü","b":[1,null]}'.encode()
    assert digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})
    assert digest_json({"a": 1}) != digest_json({"a": "1"})


def test_a_lone_surrogate_is_escaped() -> None:
    assert canonical_json("a\ud800") == b'"a\\ud800"'


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        digest_json(float("nan"))


def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "data").write_bytes(data)
    assert digest_file(tmp_path / "data") == hashlib.sha256(data).hexdigest()


def test_a_folder_has_a_digest_for_each_file_below_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b").write_bytes(b"2")
    (tmp_path / "a").write_bytes(b"1")
    found = digest_folder(tmp_path)
    assert list(found) == ["a", "sub/b"]
    assert found["sub/b"] == hashlib.sha256(b"2").hexdigest()
