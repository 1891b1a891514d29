"""The benchmark that has to run on a bare GPU machine: here on a processor, with tiny networks."""

import json
import subprocess
import sys

import pytest

from benchmarks.train_gpu import Rows, main, shapes, training_flops


def test_it_needs_nothing_of_the_pipeline() -> None:
    absent = ["assay", "prefect", "mlflow", "pymongo", "great_expectations"]
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); import benchmarks.train_gpu"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_rows_are_as_long_as_real_ones_and_padded_to_the_full_width() -> None:
    shape = shapes(tiny=True)[1]
    rows = Rows(shape, 2000, seed=3)
    assert 27 < rows.lengths.mean() < 29
    assert (rows.lengths.min(), rows.lengths.max()) >= (3, 70)
    row = rows[5]
    assert row["input_ids"].shape == (shape.padded,)
    assert int(row["attention_mask"].sum()) == rows.lengths[5]


def test_operations_are_those_of_the_real_tokens() -> None:
    joint, lora = shapes(tiny=False)
    # 85 million weights in the layers of BERT-base: six operations each a token, and attention on top
    assert training_flops(joint, 1) == pytest.approx(6 * 85e6, rel=0.01)
    # frozen weights spare the third of it that their own gradients would take
    assert training_flops(lora, 1) == pytest.approx(4 * 85e6, rel=0.01)
    assert training_flops(joint, 100) > 100 * training_flops(joint, 1)


def test_it_measures_both_trainings(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--tiny", "--rounds", "1", "--steps", "2", "--warm-up", "1", "--batch-size", "4"]
    monkeypatch.setattr("sys.argv", ["train_gpu", *options])
    main()
    lines = capsys.readouterr().out.splitlines()
    found = [json.loads(line) for line in lines if line.startswith('{"device"')]
    assert [one["training"] for one in found] == ["JointBERT (BERT-base)", "LoRA-DeBERTa (v3-base)"]
    for one in found:
        assert one["stock"]["examples"] > 0
        assert one["ours"]["ratio"] > 0
