"""The server against its engine, against `mlflow models serve`, and under ten times its load (`make bench-serving`).

All on the same rows, bundle and machine, in interleaved rounds; the medians of the ratios count. Clients, server and
the engine share the cores, so that the share of the load generator is reported.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import assay
from assay.models.checkpoint import Checkpoint
from assay.models.export.huggingface import write_huggingface
from assay.models.network import quiet
from assay.serving.bundle import Bundle
from assay.serving.cpu import available_threads
from assay.serving.engine import Engine
from assay.serving.engine import Row as TextRow
from benchmarks.results import Row, write_rows
from benchmarks.serving_bundle import PLACE, open_minilm_bundle, read_texts

COMMAND = "make bench-serving"
HOST = "127.0.0.1"
CLIENTS = 64
ROUNDS = 5
OVERLOAD = 10
OVERLOAD_SECONDS = 8
OVERLOAD_ROUNDS = 3
OVERLOAD_CONNECTIONS = 2000
# MLflow is so slow that a share of the rows is enough; with fewer, start and end of a round would dominate.
MLFLOW_ROWS = 1200
START_SECONDS = 90
# A hanging process must not block other measurements.
LOAD_SECONDS = 60


def main() -> None:
    """Run the selected measurements, by default all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=list(PARTS), action="append", help="may be repeated; default: all")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help="one round; nothing is recorded")
    arguments = parser.parse_args()
    # A signal must not leave the servers running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    bundle = open_minilm_bundle()
    for name in arguments.part or PARTS:
        rows = PARTS[name](bundle, 1 if arguments.quick else arguments.rounds)
        if arguments.quick:
            print("\n".join(f"{row.measure}: {row.value:g} ({row.note})" for row in rows))
        else:
            write_rows("serving_http", rows)


def against_the_engine(bundle: Bundle, rounds: int) -> list[Row]:
    """Compare single rows of 64 clients with the same rows in one call of the engine."""
    texts = read_texts()
    engine, rows = Engine(bundle), [TextRow(text) for text in texts]
    engine.warm_up()
    ratios, shares, equal = [], [], []
    with serving(bundle) as port, requests(texts, lambda text: {"text": text}) as bodies:
        load(port, "/predict", bodies)
        for _ in range(rounds):
            begun = time.perf_counter()
            expected = [prediction.label for prediction in engine.predict(rows)]
            batch = len(rows) / (time.perf_counter() - begun)
            report = load(port, "/predict", bodies, responses=True)
            http = report["good"] / report["seconds"]
            ratios.append(http / batch)
            shares.append(report["cpu_share"])
            equal.append(agreement(report["responses"], expected))
            print(f"engine {batch:.0f} rows/s, HTTP {http:.0f} ({report['statuses']}), generator {shares[-1]:.1%}")
    note = (
        f"the load generator took {statistics.median(shares):.1%} of one core of {cores()}; "
        f"{min(equal):.2%} of the labels equal"
    )
    return [metric(f"HTTP, {CLIENTS} clients, single rows, against the batch engine", ratios, 0.8, 0.9, note)]


def against_mlflow(bundle: Bundle, rounds: int) -> list[Row]:
    """Compare single rows of 64 clients with `mlflow models serve`, of the same weights and of the same bundle."""
    texts = read_texts()[:MLFLOW_ROWS]
    rates: dict[str, list[float]] = {"ours": [], "transformers": [], "bundle": []}
    with (
        serving(bundle) as ours,
        mlflow_serving(save_transformers_model) as transformers,
        mlflow_serving(partial(save_bundle, bundle)) as own,
        requests(texts, lambda text: {"inputs": [text]}) as bodies,
    ):
        ports = {"ours": ours, "transformers": transformers, "bundle": own}
        for port in ports.values():
            load(port, "/invocations", bodies)
        for _ in range(rounds):
            for name, port in ports.items():
                rates[name].append(rate(load(port, "/invocations", bodies)))
            print(", ".join(f"{name} {values[-1]:.0f} rows/s" for name, values in rates.items()))
    note = f"{MLFLOW_ROWS} rows a round, the same requests to /invocations of both; {{}}"
    stock = note.format("theirs computes the same weights in transformers, one request after another")
    same = note.format("both run the same engine, so that only batches and MLflow's own overhead can be won")
    measure = f"HTTP against mlflow models serve of {{}}, {CLIENTS} clients, single rows"
    return [
        metric(measure.format("transformers"), ratios_of(rates["ours"], rates["transformers"]), 4, 8, stock),
        metric(measure.format("the same bundle"), ratios_of(rates["ours"], rates["bundle"]), None, None, same),
    ]


def overloaded(bundle: Bundle, rounds: int) -> list[Row]:
    """Send ten times the capacity of the server in an open loop."""
    texts = read_texts()
    shares, longest, refusals, generators, sent = [], [], [], [], []
    with serving(bundle) as port, requests(texts, lambda text: {"text": text}) as bodies:
        load(port, "/predict", bodies)
        for _ in range(min(rounds, OVERLOAD_ROUNDS)):
            peak = rate(load(port, "/predict", bodies))
            report = load(port, "/predict", bodies, rate=OVERLOAD * peak)
            shares.append(report["in_time"] / report["seconds"] / peak)
            longest.append(report["p99"])
            refusals.append(report["refused_p99"] or 0.0)
            generators.append(report["cpu_share"])
            sent.append(report["sent"] / report["seconds"] / peak)
            print(f"peak {peak:.0f} rows/s, goodput {shares[-1]:.1%}, {report}")
    note = (
        f"{statistics.median(sent):.1f} times the peak was really sent; "
        f"the load generator took {statistics.median(generators):.1%} of one core of {cores()}"
    )
    refused = f"p99 of refusals {statistics.median(refusals) * 1000:.0f} ms, measured by the generator"
    return [
        metric(f"{OVERLOAD}x overload: goodput against the peak", shares, 0.85, 0.95, note),
        metric(f"{OVERLOAD}x overload: p99 of accepted requests, seconds", longest, 1.0, None, refused, "lower"),
    ]


@contextmanager
def serving(bundle: Bundle) -> Iterator[int]:
    """Start `assay serve`. Yields: its port."""
    port = free_port()
    with process(
        [sys.executable, "-m", "assay.cli", "serve", "--model", str(bundle.folder), "--port", str(port)], port
    ):
        yield port


@contextmanager
def mlflow_serving(save: Callable[[str], None]) -> Iterator[int]:
    """Start `mlflow models serve` of the model that `save` writes into a folder. Yields: its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/model"
        with warnings.catch_warnings(record=True):
            save(path)
        command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", path, "-p", str(port)]
        with process([*command, "--env-manager", "local", "--host", HOST], port):
            yield port


def save_bundle(bundle: Bundle, path: str) -> None:
    """Save the bundle for MLflow as it is registered."""
    import mlflow.pyfunc

    code = Path(assay.__file__).parent / "serving" / "pyfunc.py"
    artifacts = {"bundle": str(bundle.folder.resolve())}
    mlflow.pyfunc.save_model(path, python_model=str(code), artifacts=artifacts, pip_requirements=[])


def save_transformers_model(path: str) -> None:
    """Save the checkpoint of the bundle for MLflow as users of transformers do."""
    import mlflow.transformers
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    with tempfile.TemporaryDirectory() as name, quiet():
        write_huggingface(Checkpoint.load(PLACE / "checkpoint"), Path(name), {})
        model: Any = AutoModelForSequenceClassification.from_pretrained(name, local_files_only=True)
        tokenizer: Any = AutoTokenizer.from_pretrained(name, local_files_only=True)
        components = {"model": model, "tokenizer": tokenizer}
        mlflow.transformers.save_model(components, path, task="text-classification", pip_requirements=[])


@contextmanager
def process(command: list[str], port: int) -> Iterator[None]:
    """Start a server process and wait for its first response; end it with all its children."""
    # A process group, to end it with its children, but no new session: Linux would schedule that separately.
    quiet = subprocess.DEVNULL
    # MLflow calls uvicorn by its name.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path}
    started = subprocess.Popen(command, stdout=quiet, stderr=quiet, process_group=0, env=environment)
    try:
        end = time.monotonic() + START_SECONDS
        while not is_up(port):
            if started.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"it did not start: {' '.join(command)}")
            time.sleep(0.2)
        yield
    finally:
        end_group(started, signal.SIGTERM)
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            end_group(started, signal.SIGKILL)


def end_group(started: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a process and its children, if any are left."""
    with suppress(ProcessLookupError):
        os.killpg(started.pid, number)


def is_up(port: int) -> bool:
    """Return whether a server responds at the port."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/ping", timeout=2) as response:  # our own
            return bool(response.status == 200)
    except OSError:
        return False


@contextmanager
def requests(texts: list[str], body: Callable[[str], Mapping[str, Any]]) -> Iterator[Path]:
    """Write a file with one body per line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bodies.jsonl"
        path.write_text("".join(f"{json.dumps(body(text))}\n" for text in texts), encoding="utf-8")
        yield path


def load(port: int, path: str, bodies: Path, *, responses: bool = False, rate: float | None = None) -> dict[str, Any]:
    """Send the requests from a separate process. Returns: its report, and the responses if requested."""
    place = bodies.with_name("responses.json")
    command = [sys.executable, "-m", "benchmarks.http_load", str(port), path, str(bodies), "--limit", str(LOAD_SECONDS)]
    command += ["--responses", str(place)] if responses else []
    if rate is None:
        command += ["--clients", str(CLIENTS)]
    else:
        command += ["--clients", str(OVERLOAD_CONNECTIONS), "--rate", str(rate), "--seconds", str(OVERLOAD_SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LOAD_SECONDS + 20)
    report: dict[str, Any] = json.loads(done.stdout)
    return {**report, "responses": json.loads(place.read_text(encoding="utf-8"))} if responses else report


def rate(report: Mapping[str, Any]) -> float:
    """Return the successful responses per second."""
    return float(report["good"] / report["seconds"])


def agreement(report: Mapping[str, str], expected: list[str | None]) -> float:
    """Return the share of rows with the same label over HTTP and from the engine."""
    labels = {int(number): json.loads(body)["predictions"][0]["label"] for number, body in report.items()}
    return statistics.fmean(labels.get(number) == label for number, label in enumerate(expected))


def ratios_of(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return the ratio of each round."""
    return [own / other for own, other in zip(ours, theirs, strict=True)]


def metric(
    measure: str, values: Sequence[float], required: float | None, aim: float | None, note: str, better: Any = "higher"
) -> Row:
    """Return the row of the median over rounds."""
    rounded = [round(value, 3) for value in values]
    return Row(
        measure=measure, value=statistics.median(rounded), better=better, required=required, aim=aim,
        spread=(min(rounded), max(rounded)), command=COMMAND, note=note,
    )  # fmt: skip


def cores() -> str:
    """Describe how many cores all processes share."""
    return f"{available_threads()} that all share"


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


PARTS: dict[str, Callable[[Bundle, int], list[Row]]] = {
    "engine": against_the_engine,
    "mlflow": against_mlflow,
    "overload": overloaded,
}

if __name__ == "__main__":
    main()
