"""An engine that was loaded and used before a fork, as gunicorn --preload, Celery and multiprocessing do."""

import subprocess
import sys
import time

import httpx
import pytest

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine, Row
from assay.serving.model import Model
from tests.ports import free_port
from tests.servers import ROOT

FORKING = """
import multiprocessing, sys
from pathlib import Path
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine, Row

engine = Engine(Bundle.load(Path(sys.argv[1])), threads=2)
rows = [Row("good"), Row("bad")] * 50
before = engine.predict(rows)

def predict(number):
    return [prediction.label for prediction in engine.predict(rows)]

with multiprocessing.get_context("fork").Pool(2) as pool:
    for labels in pool.imap(predict, range(4)):
        assert labels == [prediction.label for prediction in before]
assert engine.predict(rows) == before
"""
APPLICATION = """
from pathlib import Path
from assay.serving.model import load

model = load(Path("bundle"), threads=2)
model.predict("good")

def application(environ, start_response):
    start_response("200 OK", [])
    return [model.predict("bad").label.encode()]
"""


def test_engine_predicts_in_a_forked_process(toy: Bundle) -> None:
    command = [sys.executable, "-c", FORKING, str(toy.folder)]
    subprocess.run(command, cwd=ROOT, timeout=300, check=True)


def test_model_predicts_under_gunicorn_with_preload(toy: Bundle) -> None:
    pytest.importorskip("gunicorn", reason="gunicorn is not installed")
    folder, port = toy.folder.parent, free_port()
    (folder / "wsgi.py").write_text(APPLICATION, encoding="utf-8")
    options = ["--preload", "--workers", "2", "--bind", f"127.0.0.1:{port}", "--pythonpath", f"{folder},{ROOT}"]
    command = [sys.executable, "-m", "gunicorn", *options, "wsgi:application"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL) as process:
        try:
            assert wait_for(f"http://127.0.0.1:{port}", process) == "down"
        finally:
            process.terminate()


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> str:
    for _ in range(240):
        try:
            return httpx.get(url, timeout=30).text
        except httpx.ConnectError:
            assert process.poll() is None
            time.sleep(0.25)
    raise AssertionError("gunicorn is not responding")


def test_closed_engine_says_so(toy: Bundle) -> None:
    with Engine(toy, threads=1) as engine:
        assert engine.predict([Row("good")])[0].label == "up"
    with pytest.raises(AssayError, match="the engine is closed"):
        engine.predict([Row("good")])
    with Model(Engine(toy, threads=1)) as model:
        assert model.predict("bad").label == "down"
