"""The environment that metrics depend on besides recipe and data: processor, threads, versions of packages."""

import functools
import platform
from importlib.metadata import distributions

from assay.serving.cpu import available_threads, cpu_flags, cpu_name

PINNED = "=="


def current_environment() -> dict[str, str]:
    """Return Python, platform, processor, threads, and the version of every installed package, by name."""
    packages = _packages()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": cpu_name(),
        "cpu": " ".join(cpu_flags()),
        "threads": str(available_threads()),
        **{f"{name}{PINNED}": packages[name] for name in sorted(packages, key=str.lower)},
    }


@functools.cache
def _packages() -> dict[str, str]:
    """Return the version of every installed package: hundreds of files, which are read once per process."""
    found = [package.metadata for package in distributions()]
    return {metadata["Name"]: metadata["Version"] for metadata in found}


def to_text(values: dict[str, str]) -> str:
    """Return lines such as `python 3.11.7`, then the packages as pip lists them."""
    return "".join(f"{name}{'' if name.endswith(PINNED) else ' '}{value}\n" for name, value in values.items())


def from_text(text: str) -> dict[str, str]:
    """Parse the text that `to_text` returns."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        package, pinned, version = line.partition(PINNED)
        name, _, value = line.partition(" ")
        values |= {package + PINNED: version} if pinned and " " not in package else {name: value}
    return values
