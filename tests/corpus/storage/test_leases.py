import json
import multiprocessing
import threading
import time
from pathlib import Path
from typing import ClassVar

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.storage.leases import hold_lease, hold_shared_lease
from assay.corpus.storage.object_store import SharedStore

PROCESSES = 8
TURNS = 5


def add_many(lease: Path, counter: Path) -> None:
    """Read, wait, write: loses counts unless one process at a time does it."""
    for _ in range(TURNS):
        with hold_lease(lease) as held:
            numbers = json.loads(counter.read_text())
            time.sleep(0.002)
            counter.write_text(json.dumps([*numbers, held.fencing]))


def test_hold_lease_gives_processes_rising_numbers_in_turn(tmp_path: Path) -> None:
    # given eight processes that add to one file,
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


def test_hold_lease_waits_for_a_dead_holder_until_its_lease_expires(tmp_path: Path) -> None:
    # given a holder that never releases,
    lease = tmp_path / "lease.json"
    dead = hold_lease(lease, seconds=0.2)
    first = dead.__enter__()
    # when another one waits,
    with hold_lease(lease, wait=300) as second:
        # then it gets the next number, and the first one can no longer write
        assert second.fencing == first.fencing + 1
        with pytest.raises(AssayError, match=r"lease 1 of .* has expired, and lease 2 was given out"):
            first.renew()
        # nor free the lease for a third one.
        first.release()
        second.renew()


def test_renew_keeps_the_lease_beyond_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a lease of 60 s on a clock that stands still,
    now = [1000.0]
    monkeypatch.setattr("assay.corpus.storage.leases.time.time", lambda: now[0])
    lease = tmp_path / "lease.json"
    with hold_lease(lease, seconds=60) as held:
        # when it is renewed after 50 s each, then it is held
        for _ in range(4):
            now[0] += 50
            held.renew()
        now[0] += 50
        with pytest.raises(AssayError, match="is held by"), hold_lease(lease, wait=0):
            pass
        # until 60 s have passed since.
        now[0] += 11
        with hold_lease(lease, wait=0) as second:
            assert second.fencing == held.fencing + 1


def test_hold_lease_names_the_holder_after_the_wait(tmp_path: Path) -> None:
    lease = tmp_path / "lease.json"
    with (
        hold_lease(lease),
        pytest.raises(AssayError, match=r"lease\.json is held by .+:\d+:\w+; wait for it"),
        hold_lease(lease, wait=0.1),
    ):
        pass


def test_hold_lease_releases_after_an_error(tmp_path: Path) -> None:
    lease = tmp_path / "lease.json"
    with pytest.raises(ZeroDivisionError), hold_lease(lease):
        raise ZeroDivisionError
    with hold_lease(lease, wait=0) as held:
        assert held.fencing == 2


def test_hold_lease_continues_after_the_given_number_where_the_file_was_lost(tmp_path: Path) -> None:
    with hold_lease(tmp_path / "lease.json", at_least=41) as held:
        assert held.fencing == 42


def test_hold_lease_reports_an_unusable_folder_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(AssayError, match=r"cannot be locked \(File exists\); make its folder writable"),
        hold_lease(tmp_path / "file" / "lease.json"),
    ):
        pass


def test_hold_lease_uses_the_shared_store_where_there_is_one(bucket: str, tmp_path: Path) -> None:
    shared = SharedStore(bucket)
    with hold_lease(tmp_path / "one" / "tiny.json", shared) as first:
        pass
    with hold_lease(tmp_path / "two" / "tiny.json", shared) as second:
        assert second.fencing == first.fencing + 1
    assert not list(tmp_path.iterdir())


def test_hold_shared_lease_gives_rising_numbers_in_turn(bucket: str) -> None:
    inside: list[str] = []
    numbers: list[int] = []

    def hold(name: str) -> None:
        with hold_shared_lease(SharedStore(bucket), "locks/news", wait=300, seconds=300) as lease:
            inside.append(f"{name} in")
            numbers.append(lease.fencing)
            time.sleep(0.2)
            lease.renew()
            inside.append(f"{name} out")

    threads = [threading.Thread(target=hold, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event[0] for event in inside[::2]] == [event[0] for event in inside[1::2]]
    assert numbers == [1, 2, 3]


def test_hold_shared_lease_gives_up_a_number_that_was_removed_meanwhile(bucket: str) -> None:
    class SlowStore(SharedStore):
        """Lists the folder as it was after the first holder, for one time."""

        old_names: ClassVar = [["locks/news/000000001.json"]]

        def names(self, folder: str, pattern: str) -> list[str]:
            return self.old_names.pop() if self.old_names else super().names(folder, pattern)

    # given three holders, of which only the last one's object is left,
    for _ in range(3):
        with hold_shared_lease(SharedStore(bucket), "locks/news", wait=0, seconds=60):
            pass
    with hold_shared_lease(SharedStore(bucket), "locks/news", wait=0, seconds=60) as held:
        assert held.fencing == 4
        # when one that listed the folder long ago creates the second object again, then it does not hold the lease,
        with (
            pytest.raises(AssayError, match="locks/news is held by another run"),
            hold_shared_lease(SlowStore(bucket), "locks/news", wait=0, seconds=60),
        ):
            pass
        # and the holder goes on.
        held.renew()


def test_renew_of_a_shared_lease_refuses_a_number_that_another_holder_has(bucket: str) -> None:
    # Not every store that speaks S3 checks and writes in one step.
    shared = SharedStore(bucket)
    with hold_shared_lease(shared, "locks/news", wait=0, seconds=60) as lease:
        other = b'{"owner": "elsewhere:1:ab", "expires": 9999999999}'
        shared.write("locks/news/000000001.json", other)
        with pytest.raises(AssayError, match=r"lease 1 of .* has expired, and lease 1 was given out"):
            lease.renew()
    assert shared.read("locks/news/000000001.json") == other


def test_hold_shared_lease_waits_for_a_dead_holder_until_its_lease_expires(bucket: str) -> None:
    shared = SharedStore(bucket)
    with hold_shared_lease(shared, "locks/news", wait=0, seconds=0.1, at_least=41) as dead:
        assert dead.fencing == 42
        with hold_shared_lease(shared, "locks/news", wait=60, seconds=60) as lease:
            assert lease.fencing == 43
            with pytest.raises(AssayError, match=r"lease 42 .* has expired, and lease 43 was given out"):
                dead.renew()
            lease.renew()
    with hold_shared_lease(shared, "locks/news", wait=60, seconds=60) as lease:
        assert lease.fencing == 44


def test_hold_shared_lease_reports_a_lease_that_stays_held(bucket: str) -> None:
    shared = SharedStore(bucket)
    with (
        hold_shared_lease(shared, "locks/news", wait=0, seconds=600),
        pytest.raises(AssayError, match="locks/news is held by another run"),
        hold_shared_lease(shared, "locks/news", wait=0, seconds=600),
    ):
        pass
