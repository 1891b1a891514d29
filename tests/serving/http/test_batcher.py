import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import pytest

from assay.serving.bundle import Bundle
from assay.serving.encoding import EncodedText
from assay.serving.engine import Row
from assay.serving.http.active_model import ServedModel, load_model
from assay.serving.http.batcher import BATCH_SECONDS, Batcher
from assay.serving.http.cost import BatchCost
from assay.serving.http.error_responses import Refusal
from assay.serving.http.pending_request import PendingRequest
from assay.serving.http.server_metrics import ServerMetrics
from tests.serving.http.conftest import Hold, rewrite
from tests.waiting import PATIENCE_S, wait_until


@contextmanager
def batching(threads: int = 1) -> Iterator[Batcher]:
    before = set(threading.enumerate())  # a server that could not start may have left some
    batcher = Batcher(threads, 10**6, ServerMetrics())
    try:
        yield batcher
    finally:
        batcher.stop()
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("batch-")]


def encode(model: ServedModel, *texts: str) -> list[EncodedText]:
    return model.engine.encode([Row(text) for text in texts])


def pending(model: ServedModel, *texts: str, seconds: float = PATIENCE_S) -> PendingRequest:
    now = time.monotonic()
    return PendingRequest(model, encode(model, *texts), now, now + seconds)


def test_batcher_returns_predictions_of_each_request_in_order(toy: Bundle) -> None:
    model = load_model(toy, batch_tokens=32)
    texts = [" ".join(["good"] * (1 + n % 7)) if n % 3 else "bad" for n in range(90)]

    async def ask() -> list[list[str | None]]:
        with batching(threads=3) as batcher:
            requests = [pending(model, *texts[n : n + 3]) for n in range(0, 90, 3)]
            for request in requests:
                batcher.submit(request)
            return [[prediction.label for prediction in await request.result] for request in requests]

    predicted = asyncio.run(ask())
    assert [label for labels in predicted for label in labels] == [
        "up" if text.startswith("good") else "down" for text in texts
    ]


def test_batcher_joins_the_rows_of_one_iteration_of_the_event_loop(
    toy: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(toy)
    sizes: list[int] = []
    spy_on_batches(model, sizes, monkeypatch)

    async def ask() -> None:
        with batching() as batcher:
            requests = [pending(model, "good Apple") for _ in range(8)]
            for request in requests:
                batcher.submit(request)
                time.sleep(0.01)  # the idle thread could take the row meanwhile
            assert batcher.waiting_rows == 8
            await asyncio.gather(*(request.result for request in requests))

    asyncio.run(ask())
    assert sizes == [8]


def test_batcher_joins_rows_that_wait_for_a_busy_thread(toy: Bundle, hold: Hold) -> None:
    model = load_model(toy)
    held = hold(model)

    async def ask() -> None:
        with batching() as batcher:
            requests = [pending(model, "good") for _ in range(9)]
            for request in requests:
                batcher.submit(request)
                await asyncio.to_thread(wait_until, lambda: held.sizes)
            held.release()
            await asyncio.gather(*(request.result for request in requests))

    asyncio.run(ask())
    # The first row did not wait for others, since the thread was idle; those that arrived later form a batch.
    assert held.sizes == [1, 8]


def test_batcher_drops_rows_of_a_disconnected_client(heavy: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(heavy)
    sizes: list[int] = []
    spy_on_batches(model, sizes, monkeypatch)

    async def ask() -> None:
        with batching() as batcher:
            first, *others = [pending(model, "good " * 60) for _ in range(5)]
            batcher.submit(first)
            await asyncio.sleep(0.01)
            for request in others:
                batcher.submit(request)
            for request in others[:3]:
                request.drop()
            await asyncio.gather(first.result, others[3].result)
            assert batcher.waiting_tokens == batcher.waiting_rows == 0

    asyncio.run(ask())
    assert sum(sizes) == 2


def test_batcher_refuses_rows_after_their_deadline(heavy: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(heavy)
    sizes: list[int] = []
    spy_on_batches(model, sizes, monkeypatch)

    async def ask() -> None:
        with batching() as batcher:
            first, late = pending(model, "good " * 60), pending(model, "good", seconds=0.001)
            batcher.submit(first)
            await asyncio.sleep(0.005)
            batcher.submit(late)
            with pytest.raises(Refusal) as caught:
                await late.result
            assert caught.value.status_code == 504
            await first.result

    asyncio.run(ask())
    assert sum(sizes) == 1


def test_batcher_isolates_a_row_that_breaks_the_model(toy: Bundle) -> None:
    graph = onnx.load(toy.model_path)
    votes = next(tensor for tensor in graph.graph.initializer if tensor.name == "votes")
    table = onnx.numpy_helper.to_array(votes).copy()
    word = load_model(toy).engine.encode([Row("fine")])[0].ids[0]
    table[word] = np.nan
    votes.CopyFrom(onnx.numpy_helper.from_array(table, "votes"))
    model = load_model(rewrite(toy, graph))

    async def ask() -> None:
        with batching() as batcher:
            requests = [pending(model, text) for text in ("good", "fine", "bad")]
            for request in requests:
                batcher.submit(request)
            good, broken, bad = await asyncio.gather(*(request.result for request in requests), return_exceptions=True)
            assert not isinstance(good, BaseException)
            assert not isinstance(bad, BaseException)
            assert (good[0].label, bad[0].label) == ("up", "down")
            assert isinstance(broken, Refusal)
            assert (broken.status_code, broken.reason, broken.row) == (500, "not_finite", 0)

    asyncio.run(ask())


def test_batcher_never_mixes_rows_of_two_models(build_toy: Callable[..., Bundle]) -> None:
    first, second = load_model(build_toy("first")), load_model(build_toy("second", labels=["down", "up"]))

    async def ask() -> list[str | None]:
        with batching() as batcher:
            requests = [pending(model, "good") for model in (first, second) * 10]
            for request in requests:
                batcher.submit(request)
            return [
                predictions[0].label for predictions in await asyncio.gather(*(request.result for request in requests))
            ]

    # The second bundle has its classes in reverse order.
    assert asyncio.run(ask()) == [first.engine.predict([Row("good")])[0].label,
                                  second.engine.predict([Row("good")])[0].label] * 10  # fmt: skip


def test_batcher_fills_batches_as_the_runtime_of_each_model_has_it(
    toy: Bundle, heavy: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given two models that share a queue, of runtimes that like larger and smaller batches, and a slow one,
    large, small, slow = load_model(toy, batch_tokens=2048), load_model(toy, batch_tokens=16), load_model(heavy)
    slow.cost.seconds_per_token = BATCH_SECONDS / 8
    monkeypatch.setattr(BatchCost, "observe", lambda *_: None)  # a busy machine would make the others slow, too
    sizes: dict[str, list[int]] = {"large": [], "small": [], "slow": []}
    for name, model in (("large", large), ("small", small), ("slow", slow)):
        spy_on_batches(model, sizes[name], monkeypatch)

    async def ask() -> None:
        with batching() as batcher:
            requests = [pending(model, "good Apple") for model in (large, small, slow) for _ in range(64)]
            for request in requests:
                batcher.submit(request)
            await asyncio.gather(*(request.result for request in requests))

    asyncio.run(ask())
    # then a batch has at most as many tokens as its model says, and takes at most a tenth of a second.
    assert max(sizes["large"]) == 64
    assert max(sizes["small"]) == 8
    assert max(sizes["slow"]) == 4


def test_batcher_counts_no_batch_as_running_once_its_responses_are_delivered(
    toy: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(toy)
    waits: list[float] = []

    async def ask() -> None:
        with batching() as batcher:
            loop = asyncio.get_running_loop()
            deliver = loop.call_soon_threadsafe

            def spy(*arguments: Any, **options: Any) -> Any:
                waits.append(batcher.expected_wait(model.cost))
                return deliver(*arguments, **options)

            monkeypatch.setattr(loop, "call_soon_threadsafe", spy)
            request = pending(model, "good")
            batcher.submit(request)
            await request.result

    asyncio.run(ask())
    assert waits[0] == 0


def test_batcher_stop_refuses_waiting_rows(toy: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(toy, batch_tokens=1)
    predict_batch = model.engine.predict_batch
    begun = threading.Event()

    async def ask() -> list[object]:
        with batching() as batcher:

            def predict_once_stopped(batch: Sequence[EncodedText]) -> object:
                begun.set()
                wait_until(lambda: batcher._stopped)
                return predict_batch(batch)

            monkeypatch.setattr(model.engine, "predict_batch", predict_once_stopped)
            requests = [pending(model, "good") for _ in range(12)]
            for request in requests:
                batcher.submit(request)
            await asyncio.to_thread(begun.wait, PATIENCE_S)
        # Running batches are complete, and delivered now.
        outcomes = await asyncio.gather(*(request.result for request in requests), return_exceptions=True)
        with pytest.raises(Refusal, match="stopping"):
            batcher.submit(pending(model, "good"))
        return list(outcomes)

    computed, *refused = asyncio.run(ask())
    assert not isinstance(computed, Exception)
    assert [outcome.status_code for outcome in refused if isinstance(outcome, Refusal)] == [503] * 11


def spy_on_batches(model: ServedModel, sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Record the size of each computed batch."""
    real = model.engine.predict_batch

    def spy(batch: Sequence[EncodedText]) -> object:
        sizes.append(len(batch))
        return real(batch)

    monkeypatch.setattr(model.engine, "predict_batch", spy)
