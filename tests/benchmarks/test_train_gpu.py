"""The GPU benchmark, which must run on a bare GPU machine, runs on a CPU with tiny networks."""

import json
import subprocess
import sys

import pytest

from benchmarks.train_gpu import Rows, main, shapes, training_flops


def test_train_gpu_imports_nothing_of_the_pipeline() -> None:
    absent = ["assay.corpus", "assay.recipes", "assay.serving", "prefect", "mlflow", "pymongo", "great_expectations"]
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); import benchmarks.train_gpu"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_rows_have_real_lengths_and_full_width() -> None:
    shape = shapes(tiny=True)[1]
    rows = Rows(shape, 2000, seed=3)
    assert 27 < rows.lengths.mean() < 29
    assert (rows.lengths.min(), rows.lengths.max()) >= (3, 70)
    row = rows[5]
    assert row["input_ids"].shape == (shape.padded,)
    assert int(row["attention_mask"].sum()) == rows.lengths[5]


def test_training_flops_count_real_tokens() -> None:
    joint, lora = shapes(tiny=False)
    # 85 million weights in the layers of BERT-base: six operations each per token, plus attention
    assert training_flops(joint, 1) == pytest.approx(6 * 85e6, rel=0.01)
    # frozen weights save a third: their own gradients
    assert training_flops(lora, 1) == pytest.approx(4 * 85e6, rel=0.01)
    assert training_flops(joint, 100) > 100 * training_flops(joint, 1)


def test_train_gpu_measures_both_trainings(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--tiny", "--rounds", "1", "--steps", "2", "--warm-up", "1", "--batch-size", "4"]
    monkeypatch.setattr("sys.argv", ["train_gpu", *options])
    main()
    lines = capsys.readouterr().out.splitlines()
    results = [json.loads(line) for line in lines if line.startswith('{"device"')]
    assert [result["training"] for result in results] == ["JointBERT (BERT-base)", "LoRA-DeBERTa (v3-base)"]
    for result in results:
        assert result["stock"]["examples"] > 0
        assert result["ours"]["ratio"] > 0
