import os
import threading
import time

from assay.serving.fork_barrier import fork_barrier
from tests.waiting import wait_until


def fork() -> int:
    """Fork a child that enters the barrier and ends; return its exit code."""
    child = os.fork()
    if child == 0:
        with fork_barrier:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_fork_barrier_lets_a_fork_wait_for_native_code_and_nobody_enter_before() -> None:
    inside, leave, entered = threading.Event(), threading.Event(), threading.Event()
    codes: list[int] = []

    def first() -> None:
        with fork_barrier:
            inside.set()
            leave.wait(60)

    def late() -> None:
        with fork_barrier:
            entered.set()

    threads = [threading.Thread(target=first), threading.Thread(target=lambda: codes.append(fork()))]
    threads[0].start()
    assert inside.wait(60)
    threads[1].start()
    wait_until(lambda: fork_barrier._forking)
    threads.append(threading.Thread(target=late))
    threads[2].start()
    time.sleep(0.2)
    assert not codes
    assert not entered.is_set()
    leave.set()
    for thread in threads:
        thread.join(60)
    assert codes == [0]
    assert entered.is_set()


def test_fork_barrier_is_open_after_forks() -> None:
    assert [fork() for _ in range(3)] == [0, 0, 0]
    with fork_barrier, fork_barrier:
        pass
