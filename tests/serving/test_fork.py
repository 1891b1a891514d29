"""An engine that was loaded and used before a fork, as gunicorn --preload, Celery and multiprocessing do."""

import os
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


BUSY = """
import multiprocessing, sys, threading
from pathlib import Path
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine, Row

engine = Engine(Bundle.load(Path(sys.argv[1])), threads=2)
rows = [Row("good"), Row("bad")] * 500
stop = threading.Event()

def work():
    while not stop.is_set():
        engine.predict(rows)

threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()

def child(queue):
    queue.put([prediction.label for prediction in engine.predict(rows[:2])])

context = multiprocessing.get_context("fork")
for _ in range(10):
    queue = context.Queue()
    process = context.Process(target=child, args=[queue])
    process.start()
    assert queue.get(timeout=60) == ["up", "down"]
    process.join(60)
    assert process.exitcode == 0
stop.set()
"""
CELERY = """
import os
from pathlib import Path

from celery import Celery

from assay.serving.model import load

app = Celery("tasks", broker="filesystem://", backend="file://" + os.path.abspath("results"))
folders = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
app.conf.broker_transport_options = folders
model = load(Path("bundle"), threads=2)
model.predict("good")

@app.task
def classify(text):
    return model.predict(text).label, os.getpid(), os.getppid()
"""
ASKING = """
from tasks import classify

results = [classify.delay(text) for text in ["good", "bad"] * 3]
answers = [result.get(timeout=60) for result in results]
assert [label for label, _, _ in answers] == ["up", "down"] * 3, answers
assert all(parent != child for _, child, parent in answers)
print(answers[0][2])
"""


def test_engine_predicts_in_a_process_forked_while_threads_predict(toy: Bundle) -> None:
    subprocess.run([sys.executable, "-c", BUSY, str(toy.folder)], cwd=ROOT, timeout=120, check=True)


@pytest.mark.slow  # a worker that imports and forks
def test_model_predicts_in_a_celery_worker(toy: Bundle) -> None:
    pytest.importorskip("celery", reason="celery is not installed")
    folder = toy.folder.parent
    for name in ("queue", "results", "control"):
        (folder / name).mkdir()
    (folder / "tasks.py").write_text(CELERY, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}", "PYTHONWARNINGS": "ignore"}
    options = ["worker", "--pool", "prefork", "--concurrency", "2", "--without-gossip", "--without-mingle"]
    command = [sys.executable, "-m", "celery", "-A", "tasks", *options]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as worker:
        try:
            asking = [sys.executable, "-c", ASKING]
            done = subprocess.run(asking, cwd=folder, env=environment, timeout=120, capture_output=True, text=True)
            # The model was loaded in the worker's main process, and predicted in those that it forked.
            assert (done.returncode, done.stdout.strip()) == (0, str(worker.pid)), done.stderr
        finally:
            worker.terminate()


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
