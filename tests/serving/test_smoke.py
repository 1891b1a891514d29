import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle, write_manifest
from assay.serving.engine import Engine
from assay.serving.smoke import main, smoke_test


def _change_golden(bundle: Bundle, **changes: Any) -> Bundle:
    first, *rest = bundle.manifest.golden
    golden = [first.model_copy(update=changes), *rest]
    write_manifest(bundle.folder, bundle.manifest.model_copy(update={"golden": golden}))
    return Bundle.load(bundle.folder)


def test_smoke_command_compares_the_golden_rows_and_prints_one_line(toy: Bundle) -> None:
    command = [sys.executable, "-m", "assay.serving.smoke", str(toy.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"bundle": toy.digest, "precision": "fp32", "rows": 2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": "down"}, "the label is 'up', at export it was 'down'"),
        ({"probabilities": [0.5, 0.5]}, "a probability differs by"),
        ({"entities": [(0, 1, "ORG")]}, "the entities are"),
    ],
)
def test_smoke_test_refuses_predictions_that_differ_from_the_export(
    toy: Bundle, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(AssayError, match=f"golden row 0: {message}"):
        smoke_test(Engine(_change_golden(toy, **changes), threads=1))


def test_smoke_test_allows_int8_a_rounding_step(toy: Bundle) -> None:
    (row, _) = toy.manifest.golden
    shifted = [row.probabilities[0] + 0.02, row.probabilities[1] - 0.02]
    with pytest.raises(AssayError, match=r"more than 0\.001"):
        smoke_test(Engine(_change_golden(toy, probabilities=shifted), threads=1))
    write_manifest(toy.folder, Bundle.load(toy.folder).manifest.model_copy(update={"precision": "int8"}))
    assert smoke_test(Engine(Bundle.load(toy.folder), threads=1)) == 2


def test_smoke_test_refuses_a_bundle_without_golden_rows(toy: Bundle) -> None:
    write_manifest(toy.folder, toy.manifest.model_copy(update={"golden": []}))
    with pytest.raises(AssayError, match="no golden rows"):
        smoke_test(Engine(Bundle.load(toy.folder), threads=1))


def test_main_exits_with_1_and_one_line_on_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert main([]) == 2
