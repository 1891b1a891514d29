import json
import multiprocessing
import time
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.registry.lock import hold

PROCESSES = 8
TURNS = 5


def add_many(lease: Path, counter: Path) -> None:
    """Read, wait, write: loses counts unless one process at a time does it."""
    for _ in range(TURNS):
        with hold(lease) as held:
            numbers = json.loads(counter.read_text())
            time.sleep(0.002)
            counter.write_text(json.dumps([*numbers, held.fencing]))


def test_processes_take_turns_and_each_turn_has_the_next_number(tmp_path: Path) -> None:
    # Given eight processes that add to one file,
    counter = tmp_path / "numbers.json"
    counter.write_text("[]")
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=add_many, args=(tmp_path / "lease.json", counter)) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    # then nothing was lost, and the numbers tell the order.
    assert json.loads(counter.read_text()) == list(range(1, PROCESSES * TURNS + 1))


def test_a_holder_that_died_blocks_no_longer_than_its_lease(tmp_path: Path) -> None:
    # Given a holder that never lets go,
    lease = tmp_path / "lease.json"
    dead = hold(lease, seconds=0.2)
    first = dead.__enter__()
    # when another one waits,
    with hold(lease, wait=5) as second:
        # then it gets in with the next number, and the first one cannot write any more
        assert second.fencing == first.fencing + 1
        with pytest.raises(AssayError, match=r"lease 1 of .* has run out, number 2 was given out"):
            first.renew()
        # nor let a third one in.
        first.release()
        second.renew()


def test_a_holder_that_renews_keeps_the_lease_beyond_its_time(tmp_path: Path) -> None:
    lease = tmp_path / "lease.json"
    with hold(lease, seconds=0.3) as held:
        for _ in range(4):
            time.sleep(0.1)
            held.renew()
        with pytest.raises(AssayError, match="is held by"), hold(lease, wait=0):
            pass


def test_who_waits_too_long_is_told_who_holds_it(tmp_path: Path) -> None:
    lease = tmp_path / "lease.json"
    with (
        hold(lease),
        pytest.raises(AssayError, match=r"lease\.json is held by .+:\d+:\w+; wait for it"),
        hold(lease, wait=0.1),
    ):
        pass


def test_the_lease_is_free_after_an_error(tmp_path: Path) -> None:
    lease = tmp_path / "lease.json"
    with pytest.raises(ZeroDivisionError), hold(lease):
        raise ZeroDivisionError
    with hold(lease, wait=0) as held:
        assert held.fencing == 2


def test_numbers_go_on_where_the_history_stands_when_the_file_was_lost(tmp_path: Path) -> None:
    with hold(tmp_path / "lease.json", at_least=41) as held:
        assert held.fencing == 42


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(AssayError, match=r"cannot be locked \(File exists\); make its folder writable"),
        hold(tmp_path / "file" / "lease.json"),
    ):
        pass
