import threading
import time

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.storage.object_store import SharedStore
from assay.corpus.storage.remote_lease import hold_shared


def test_hold_shared_serves_one_holder_at_a_time_with_rising_numbers(bucket: str) -> None:
    inside: list[str] = []
    numbers: list[int] = []

    def hold(name: str) -> None:
        with hold_shared(SharedStore(bucket), "locks/news", wait=60, seconds=60) as lease:
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


def test_hold_shared_lets_the_lease_of_a_dead_holder_expire(bucket: str) -> None:
    shared = SharedStore(bucket)
    with hold_shared(shared, "locks/news", wait=0, seconds=0.1, at_least=41) as dead:
        assert dead.fencing == 42
        with hold_shared(shared, "locks/news", wait=60, seconds=60) as lease:
            assert lease.fencing == 43
            with pytest.raises(AssayError, match=r"lease 42 .* has expired, number 43 was granted since"):
                dead.renew()
            lease.renew()
    with hold_shared(shared, "locks/news", wait=60, seconds=60) as lease:
        assert lease.fencing == 44


def test_hold_shared_raises_after_waiting_in_vain(bucket: str) -> None:
    shared = SharedStore(bucket)
    with (
        hold_shared(shared, "locks/news", wait=0, seconds=600),
        pytest.raises(AssayError, match="locks/news is held by another run"),
        hold_shared(shared, "locks/news", wait=0, seconds=600),
    ):
        pass
