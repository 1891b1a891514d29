"""The examples of the Python page run as printed, one after the other, with the recipe of the README."""

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT
from tests.test_printed_recipes import headlines, printed, write

PAGE = ROOT / "docs" / "reference" / "python.md"


@pytest.mark.slow  # trains the recipe of the README
def test_examples_of_the_python_page_run_as_printed(tmp_path: Path) -> None:
    write(tmp_path / "news.jsonl", headlines(random.Random(7), 600))
    (tmp_path / "my-news.yaml").write_text(printed()["my-news"], encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "page.py").write_text("\n".join(blocks), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    environment |= {"PREFECT_HOME": str(tmp_path / "prefect")}
    done = subprocess.run(
        [sys.executable, "page.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:4] == ["passed", "models:/my-news/1", "[]", "('bad', 'fair', 'good') ('PLACE',)"]
    label, probability = lines[4].split()
    assert label in ("bad", "fair", "good")
    assert 1 / 3 <= float(probability) <= 1
