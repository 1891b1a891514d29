"""The server against its engine, against `mlflow models serve`, and under ten times its load (`make bench-serving`).

All on the same rows, weights and machine, in interleaved rounds; the medians of the ratios count. Clients, servers and
the engine share the cores, so that the share of the load generator is reported.
"""

import argparse
import json
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any, Literal

from assay.serving.bundle import Bundle
from assay.serving.cpu import available_threads
from assay.serving.engine import Engine
from assay.serving.engine import Row as TextRow
from benchmarks.results import Row, ratio_row, write_rows
from benchmarks.serving_bundle import open_minilm_bundle, read_texts
from benchmarks.serving_processes import (
    Sending,
    mlflow_serving,
    rate,
    request_bodies,
    save_bundle,
    save_transformers_model,
    send,
    send_all,
    serving,
)

COMMAND = "make bench-serving"
CLIENTS = 64
ROUNDS = 5
OVERLOAD = 10
OVERLOAD_SECONDS = 8
OVERLOAD_CONNECTIONS = 2000
# MLflow is so slow that a share of the rows is enough; with fewer, start and end of a round would dominate.
MLFLOW_ROWS = 1200


def main() -> None:
    """Run the selected measurements, by default all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=list(PARTS), action="append", help="may be repeated; default: all")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help="one round; nothing is recorded")
    arguments = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
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
    ours: list[float] = []
    batches: list[float] = []
    shares, equal = [], []
    with serving(bundle) as port, request_bodies(texts, lambda text: {"text": text}) as bodies:
        send_all(port, "/predict", bodies, CLIENTS)
        for _ in range(rounds):
            begun = time.perf_counter()
            expected = [prediction.label for prediction in engine.predict(rows)]
            batches.append(len(rows) / (time.perf_counter() - begun))
            report = send_all(port, "/predict", bodies, CLIENTS)
            ours.append(rate(report))
            shares.append(report["cpu_share"])
            equal.append(_agreement(_labels(report), expected))
            print(f"engine {batches[-1]:.0f} rows/s, HTTP {ours[-1]:.0f}, generator {shares[-1]:.1%}", flush=True)
    note = (
        f"the load generator took {statistics.median(shares):.1%} of one core of {_cores()}; "
        f"{min(equal):.2%} of the labels equal"
    )
    measure = f"HTTP, {CLIENTS} clients, single rows, against the batch engine"
    return [ratio_row(measure, ours, batches, command=COMMAND, required=0.8, aim=0.9, note=note)]


def against_mlflow(bundle: Bundle, rounds: int) -> list[Row]:
    """Compare single rows of 64 clients with `mlflow models serve`, of the same weights and of the same bundle."""
    texts = read_texts()[:MLFLOW_ROWS]
    rates: dict[str, list[float]] = {"ours": [], "transformers": [], "the same bundle": []}
    equal = []
    with (
        serving(bundle, "--deadline", "60") as ours,  # MLflow refuses nothing, however long requests wait
        mlflow_serving(save_transformers_model) as transformers,
        mlflow_serving(partial(save_bundle, bundle)) as own,
        request_bodies(texts, lambda text: {"inputs": [text]}) as bodies,
    ):
        ports = dict(zip(rates, (ours, transformers, own), strict=True))
        for port in ports.values():
            send_all(port, "/invocations", bodies, CLIENTS)
        for _ in range(rounds):
            reports = {name: send_all(port, "/invocations", bodies, CLIENTS) for name, port in ports.items()}
            for name, report in reports.items():
                rates[name].append(rate(report))
            equal.append(_agreement(_labels(reports["ours"]), _labels(reports["transformers"])))
            print(", ".join(f"{name} {values[-1]:.0f} rows/s" for name, values in rates.items()), flush=True)
    speeds = ", ".join(f"{name} {statistics.median(values):.0f}" for name, values in rates.items())
    stock = (
        f"rows/s: {speeds}; {MLFLOW_ROWS} rows a round, the same requests to /invocations of all; that of mlflow "
        f"{version('mlflow')} computes the same weights in transformers, ours in {bundle.manifest.precision}; "
        f"{min(equal):.2%} of the labels equal"
    )
    same = "both run the same engine, so that only batches and MLflow's own overhead can be won"
    measure = f"HTTP against mlflow models serve of {{}}, {CLIENTS} clients, single rows"
    compare = partial(ratio_row, ours=rates["ours"], command=COMMAND)
    return [
        compare(measure.format("transformers"), reference=rates["transformers"], required=4, aim=8, note=stock),
        compare(measure.format("the same bundle"), reference=rates["the same bundle"], note=same),
    ]


def overloaded(bundle: Bundle, rounds: int) -> list[Row]:
    """Send ten times the capacity of the server in an open loop."""
    texts = read_texts()
    peaks: list[float] = []
    reports: list[dict[str, Any]] = []
    with serving(bundle) as port, request_bodies(texts, lambda text: {"text": text}) as bodies:
        send_all(port, "/predict", bodies, CLIENTS)
        before = rate(send_all(port, "/predict", bodies, CLIENTS))
        for _ in range(rounds):
            load = Sending(OVERLOAD_CONNECTIONS, OVERLOAD * before, OVERLOAD_SECONDS)
            reports.append(send(port, "/predict", bodies, load))
            time.sleep(1)  # the server closes the connections, which must not take time of the next peak
            after = rate(send_all(port, "/predict", bodies, CLIENTS))
            # The machine may become faster or slower meanwhile.
            peaks.append(statistics.fmean((before, after)))
            before = after
            shown = {name: value for name, value in reports[-1].items() if name != "responses"}
            print(f"peak {peaks[-1]:.0f} rows/s, {shown}", flush=True)
    sent = statistics.median(_per_second(reports, "sent", peaks))
    generator = statistics.median(report["cpu_share"] for report in reports)
    broken = sum(report["broken"] for report in reports)
    note = (
        f"{sent:.1f} times the peak was really sent, {broken} connections broke; the load generator took "
        f"{generator:.1%} of one core of {_cores()}"
    )
    refusals = statistics.median(report["refused_p99"] or 0.0 for report in reports)
    refused = f"p99 of refusals {refusals * 1000:.0f} ms, measured by the generator"
    goodput, longest = f"{OVERLOAD}x overload: goodput against the peak", f"{OVERLOAD}x overload: p99 of accepted"
    return [
        _row(goodput, _per_second(reports, "in_time", peaks), 0.85, 0.95, note),
        _row(f"{longest} requests, seconds", [report["p99"] for report in reports], 1.0, None, refused, "lower"),
    ]


def _per_second(reports: Sequence[Mapping[str, Any]], name: str, peaks: Sequence[float]) -> list[float]:
    """Return a count per second, as a share of the peak, of each report."""
    return [report[name] / report["seconds"] / peak for report, peak in zip(reports, peaks, strict=True)]


def _labels(report: Mapping[str, Any]) -> list[str | None]:
    """Return the labels in the order of the requests."""
    bodies = sorted(report["responses"].items(), key=lambda item: int(item[0]))
    return [json.loads(body)["predictions"][0]["label"] for _, body in bodies]


def _agreement(labels: Sequence[str | None], expected: Sequence[str | None]) -> float:
    """Return the share of rows with the same label."""
    return statistics.fmean(label == other for label, other in zip(labels, expected, strict=True))


def _row(
    measure: str,
    values: Sequence[float],
    required: float,
    aim: float | None,
    note: str,
    better: Literal["higher", "lower"] = "higher",
) -> Row:
    """Return the row of the median over rounds."""
    rounded = [round(value, 3) for value in values]
    return Row(
        measure=measure, value=statistics.median(rounded), better=better, required=required, aim=aim,
        spread=(min(rounded), max(rounded)), command=COMMAND, note=note,
    )  # fmt: skip


def _cores() -> str:
    """Describe how many cores all processes share."""
    return f"{available_threads()} that all share"


PARTS: dict[str, Callable[[Bundle, int], list[Row]]] = {
    "engine": against_the_engine,
    "mlflow": against_mlflow,
    "overload": overloaded,
}

if __name__ == "__main__":
    main()
