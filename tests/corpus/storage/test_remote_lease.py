import threading
import time

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.storage.object_store import SharedStore
from assay.corpus.storage.remote_lease import hold_shared


def test_holders_take_turns_with_rising_numbers(bucket: str) -> None:
    inside: list[str] = []
    numbers: list[int] = []

    def hold(name: str) -> None:
        with hold_shared(SharedStore(bucket), "locks/news", wait=60, seconds=60) as turn:
            inside.append(f"{name} in")
            numbers.append(turn.fencing)
            time.sleep(0.2)
            turn.renew()
            inside.append(f"{name} out")

    threads = [threading.Thread(target=hold, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event[0] for event in inside[::2]] == [event[0] for event in inside[1::2]]
    assert numbers == [1, 2, 3]


def test_a_dead_holder_blocks_for_its_time_alone_and_finds_out(bucket: str) -> None:
    shared = SharedStore(bucket)
    with hold_shared(shared, "locks/news", wait=0, seconds=0.1, at_least=41) as dead:
        assert dead.fencing == 42
        with hold_shared(shared, "locks/news", wait=60, seconds=60) as turn:
            assert turn.fencing == 43
            with pytest.raises(AssayError, match=r"turn 42 .* has run out, number 43 was given out since"):
                dead.renew()
            turn.renew()
    with hold_shared(shared, "locks/news", wait=60, seconds=60) as turn:
        assert turn.fencing == 44


def test_who_waits_in_vain_is_told(bucket: str) -> None:
    shared = SharedStore(bucket)
    with (
        hold_shared(shared, "locks/news", wait=0, seconds=600),
        pytest.raises(AssayError, match="locks/news is held by another run"),
        hold_shared(shared, "locks/news", wait=0, seconds=600),
    ):
        pass
