import os
import subprocess
import sys
from pathlib import Path

from assay.serving.bundle import Bundle

PREDICT = """
import sys
from pathlib import Path
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine, Row
Engine(Bundle.load(Path(sys.argv[1]))).predict([Row("good")])
"""


def test_engine_writes_nothing_into_the_folders_of_the_user(toy: Bundle, tmp_path: Path) -> None:
    """onnxruntime would write a machine id there for its telemetry."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "PYTHONPATH": str(Path.cwd())}
    subprocess.run([sys.executable, "-c", PREDICT, str(toy.folder)], env=environment, check=True)
    assert list(home.rglob("*")) == []
