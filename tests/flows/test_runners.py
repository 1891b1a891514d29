import pytest

from assay.corpus.errors import AssayError
from assay.flows.runners import (
    CPUS,
    GPUS,
    RUNNER,
    runner_from_environment,
    task_resources,
    task_resources_from_environment,
    task_runner,
)


@pytest.mark.parametrize("where", ["threads", "threads:0", "spark", "threads:many"])
def test_task_runner_refuses_an_unknown_name(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssayError, match="is not a runner; write threads:4, ray, or ray:ADDRESS"):
        task_runner(where)
    monkeypatch.setenv(RUNNER, where)
    with pytest.raises(AssayError, match="is not a runner"):
        runner_from_environment()


def test_task_resources_ignores_threads() -> None:
    assert type(task_runner("threads:2")).__name__ == "ThreadPoolTaskRunner"
    with task_resources("threads:2", gpus=1):
        pass


def test_runner_from_environment_reads_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RUNNER, raising=False)
    assert runner_from_environment("default") == "default"
    monkeypatch.setenv(RUNNER, "threads:2")
    assert type(runner_from_environment("default")).__name__ == "ThreadPoolTaskRunner"


@pytest.mark.parametrize("variable", [CPUS, GPUS])
@pytest.mark.parametrize("value", ["many", "-1", "nan", "inf"])
def test_task_resources_from_environment_requires_numbers(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(AssayError, match=f"{variable} is '{value}'; it takes a number"):
        task_resources_from_environment()
