import os
import signal

import pytest
import typer

from cli.stopping import stoppable


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_block_with_a_remark_and_the_exit_code_of_shells(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    cleared = False
    with pytest.raises(typer.Exit) as ended, stoppable("go on later"):
        try:
            os.kill(os.getpid(), number)
        finally:
            cleared = True
    assert ended.value.exit_code == 128 + number
    assert cleared
    assert capsys.readouterr().err == f"assay: stopped by {number.name}; go on later\n"
    assert signal.getsignal(number) == before
