"""Class numbers become names, as the features of `datasets` say, on the hub and in Parquet files."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, LargeList, List, Sequence, Value

from assay.corpus.sources.class_names import features_of, renamers
from assay.corpus.sources.parquet import parquet_rows

NAMES = ["O", "B-PER", "I-PER"]


@pytest.mark.parametrize(
    ("feature", "numbers", "names"),
    [
        (ClassLabel(names=NAMES), 1, "B-PER"),
        (ClassLabel(names=NAMES), -1, None),
        (ClassLabel(names=NAMES), None, None),
        (List(ClassLabel(names=NAMES)), [0, 1, 2], NAMES),
        (LargeList(ClassLabel(names=NAMES)), [0, 1, 2], NAMES),
        (List(List(ClassLabel(names=NAMES))), [[0], [1]], [["O"], ["B-PER"]]),
        (
            Sequence({"start": Value("int64"), "label": ClassLabel(names=NAMES)}),
            {"start": [0], "label": [1]},
            {"start": [0], "label": ["B-PER"]},
        ),
        (List({"label": ClassLabel(names=NAMES)}), [{"label": 2}], [{"label": "I-PER"}]),
        ({"tone": {"label": ClassLabel(names=NAMES)}}, {"tone": {"label": 2}}, {"tone": {"label": "I-PER"}}),
        (Value("int64"), 1, 1),
    ],
)
def test_parquet_rows_name_the_classes_of_datasets(tmp_path: Path, feature: Any, numbers: Any, names: Any) -> None:
    features = Features({"text": Value("string"), "class": feature})
    Dataset.from_dict({"text": ["a"], "class": [numbers]}, features=features).to_parquet(tmp_path / "a.parquet")

    assert list(parquet_rows(tmp_path / "a.parquet")) == [(1, {"text": "a", "class": names})]


@pytest.mark.parametrize(
    ("feature", "numbers", "names"),
    [
        ({"_type": "Sequence", "feature": {"_type": "ClassLabel", "names": NAMES}}, [1], ["B-PER"]),
        (
            {"_type": "Sequence", "feature": {"label": {"_type": "ClassLabel", "names": NAMES}}},
            {"label": [1]},
            {"label": ["B-PER"]},
        ),
        ([{"_type": "ClassLabel", "names": NAMES}], [1], ["B-PER"]),
        ({"_type": "ClassLabel", "names": NAMES}, "good", "good"),
        ({"_type": "ClassLabel", "names": NAMES}, 3, 3),
    ],
)
def test_renamers_read_features_of_earlier_versions(feature: Any, numbers: Any, names: Any) -> None:
    assert renamers({"class": feature})["class"](numbers) == names


@pytest.mark.parametrize("content", [None, {}, {b"huggingface": b"{"}, {b"huggingface": b'{"info": null}'}])
def test_features_of_other_files_are_none(content: Any) -> None:
    assert features_of(content) == {}


def test_parquet_rows_of_a_table_keep_numbers_without_names(tmp_path: Path) -> None:
    features = {"info": {"features": {"label": {"_type": "ClassLabel", "num_classes": 2}}}}
    table = pa.table({"label": [0, 1]}).replace_schema_metadata({"huggingface": json.dumps(features)})
    pq.write_table(table, tmp_path / "a.parquet")

    assert [row for _, row in parquet_rows(tmp_path / "a.parquet")] == [{"label": 0}, {"label": 1}]
