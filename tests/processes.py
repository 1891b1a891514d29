"""Processes that tests start, and those that may end while a test looks at them."""

import os

import psutil


def environment_without_coverage() -> dict[str, str]:
    """Return the environment of a process in which no coverage is measured, since it may write no more files."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")}


def children_of(pid: int) -> list[psutil.Process]:
    """Return every process below another one; none if that has ended."""
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def command_of(process: psutil.Process) -> list[str]:
    """Return the command line of a process; an empty one if it has ended."""
    try:
        return list(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
        return []


def variable_of(process: psutil.Process, name: str) -> str | None:
    """Return a variable of the environment of a process; None if it has ended."""
    try:
        value: str | None = process.environ().get(name)
    except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
        return None
    return value
