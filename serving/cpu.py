"""The CPU available to this process: its threads, and the instructions that decide how int8 behaves."""

import os
import platform
from collections.abc import Collection, Iterator, Set
from pathlib import Path

FLAGS = (
    "avx",
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "asimddp",
    "i8mm",
    "sve",
)
_VNNI = {"avx512_vnni", "avx_vnni", "amx_int8"}
_BF16 = ("amx_bf16", "avx512_bf16")
# The flags that decide the order of the precisions by speed, the fastest instructions first.
_CLASSES = (*_BF16, "avx512_vnni", "avx_vnni", "avx512f", "avx2", "avx", "i8mm", "asimddp", "asimd")


def available_threads(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the number of threads that can run at once: the CPUs of the affinity mask, or fewer by a cgroup quota.

    onnxruntime itself counts the cores of the host, which are too many in a container.

    Args:
        proc: mount point of the proc file system.
        cgroups: mount point of the cgroups (version 2, or version 1 with its `cpu` controller).
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for folder in _cgroup_folders(proc, cgroups) if (quota := _quota(folder)) is not None]
    # Quotas are rounded down, since a pool larger than the quota spins through its time slice and is then throttled.
    return max(1, min([cpus, *(int(quota) for quota in quotas)]))


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> list[str]:
    """Return those of `FLAGS` that this CPU has; without Linux, only what the architecture implies."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ["asimd"] if platform.machine().lower() in ("arm64", "aarch64") else []
    present = set(_first_value(text, ("flags", "Features")).split())
    return [flag for flag in FLAGS if flag in present]


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the name of the CPU as Linux gives it, else the architecture."""
    return _read_value(cpuinfo, "model name") or platform.processor() or platform.machine()


def cpu_vendor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the vendor that an x86 CPU names on Linux, such as `GenuineIntel`; empty elsewhere."""
    return _read_value(cpuinfo, "vendor_id")


def computes_bf16(flags: Collection[str]) -> bool:
    """Return whether a CPU with these flags multiplies bf16 in hardware."""
    return any(flag in flags for flag in _BF16)


def cpu_class(flags: Collection[str]) -> str:
    """Return the class of a CPU with these flags: the fastest instructions for products of matrices.

    Speeds that were measured on one CPU hold for others of its class, as far as the order of precisions goes.
    """
    return next((flag for flag in _CLASSES if flag in flags), "other")


def _read_value(cpuinfo: Path, name: str) -> str:
    try:
        return _first_value(cpuinfo.read_text(encoding="utf-8", errors="replace"), (name,))
    except OSError:
        return ""


def _first_value(text: str, names: Collection[str]) -> str:
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in names:
            return value.strip()
    return ""


def saturates_int8(flags: Set[str]) -> bool:
    """Return whether sums of 8-bit products can saturate on a CPU with these flags.

    Without VNNI, x86 multiplies 8-bit numbers with VPMADDUBSW, which saturates at 16 bits. Weights of 7 bits
    (`reduce_range`) stay below that limit.
    """
    return "avx" in flags and not flags & _VNNI


def _cgroup_folders(proc: Path, cgroups: Path) -> Iterator[Path]:
    """Yield the folders of the cgroup of this process and of all its ancestors, each of which may set a quota."""
    try:
        lines = (proc / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = cgroups / "cpu" if controllers else cgroups
        relative = Path(path.lstrip("/"))
        yield from (root / part for part in (relative, *relative.parents))


def _quota(folder: Path) -> float | None:
    """Return the quota of a cgroup in CPUs; None if it sets no limit."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text(encoding="utf-8").strip()
            period = (folder / "cpu.cfs_period_us").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return None if quota in ("max", "-1") else int(quota) / int(period)
