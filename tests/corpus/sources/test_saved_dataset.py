from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict

from assay.corpus.errors import AssayError
from assay.corpus.sources.files import find_files, read_files
from assay.corpus.sources.saved_dataset import is_description, is_saved


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A saved data set of one split."""
    DatasetDict(train=Dataset.from_dict({"text": ["a"]})).save_to_disk(tmp_path / "saved")
    return tmp_path / "saved"


def test_descriptions_of_a_saved_data_set_are_told_from_files_of_rows(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "dataset_info.json").write_text("[]")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.relative_to(tmp_path).as_posix() for path in files if not is_description(path)} == {
        "saved/train/data-00000-of-00001.arrow",
        "below/dataset_info.json",
    }
    assert is_saved(saved)
    assert is_saved(saved / "train")
    assert not is_saved(tmp_path)


@pytest.mark.parametrize("part", ["", "train"])
def test_files_refuse_a_saved_data_set_with_the_key_that_reads_it(saved: Path, part: str) -> None:
    with pytest.raises(AssayError, match=r"is a data set that datasets saved; read it with source.kind: hub and"):
        list(read_files(find_files({str(saved / part): "all"})))


def test_files_read_the_arrow_files_of_a_saved_data_set(saved: Path) -> None:
    assert len(list(read_files(find_files({f"{saved}/train/*.arrow": "train"})))) == 1
