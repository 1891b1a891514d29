import os
import subprocess
import sys
from pathlib import Path

from assay.serving.bundle import Bundle

ANSWER = """
import sys
from pathlib import Path
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine, Row
Engine(Bundle.load(Path(sys.argv[1]))).predict([Row("good")])
"""


def test_an_engine_leaves_nothing_in_the_folders_of_the_user(toy: Bundle, tmp_path: Path) -> None:
    """onnxruntime keeps an id of the machine there for what it tells its makers, if it is let."""
    home = tmp_path / "home"
    home.mkdir()
    surroundings = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    surroundings |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "PYTHONPATH": str(Path.cwd())}
    subprocess.run([sys.executable, "-c", ANSWER, str(toy.folder)], env=surroundings, check=True)
    assert list(home.rglob("*")) == []
