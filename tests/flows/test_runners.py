import pytest

from assay.corpus.errors import AssayError
from assay.flows.runners import CPUS, GPUS, RUNNER, chosen_requests, chosen_runner, requesting, task_runner


@pytest.mark.parametrize("where", ["threads", "threads:0", "spark", "threads:many"])
def test_an_unknown_runner_is_refused(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssayError, match="is no runner; write threads:4, ray, or ray:ADDRESS"):
        task_runner(where)
    monkeypatch.setenv(RUNNER, where)
    with pytest.raises(AssayError, match="is no runner"):
        chosen_runner()


def test_threads_take_no_requests() -> None:
    assert type(task_runner("threads:2")).__name__ == "ThreadPoolTaskRunner"
    with requesting("threads:2", gpus=1):
        pass


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RUNNER, raising=False)
    assert chosen_runner("default") == "default"
    monkeypatch.setenv(RUNNER, "threads:2")
    assert type(chosen_runner("default")).__name__ == "ThreadPoolTaskRunner"


@pytest.mark.parametrize("variable", [CPUS, GPUS])
@pytest.mark.parametrize("value", ["many", "-1", "nan", "inf"])
def test_requests_are_numbers(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(AssayError, match=f"{variable} is '{value}'; it takes a number"):
        chosen_requests()
