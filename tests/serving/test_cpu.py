import os
from pathlib import Path

import pytest

from assay.serving.cpu import available_threads, cpu_flags, cpu_name, cpu_vendor, saturates_int8

CPUS = len(os.sched_getaffinity(0))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_available_threads_counts_the_affinity_mask_without_cgroups(tmp_path: Path) -> None:
    assert available_threads(tmp_path, tmp_path) == CPUS


@pytest.mark.parametrize(
    ("quota", "parent_quota", "threads"),
    [
        ("max 100000", "max 100000", CPUS),
        ("100000 100000", "max 100000", 1),
        ("max 100000", "100000 100000", 1),
        ("50000 100000", "max 100000", 1),
        ("6400000 100000", "max 100000", CPUS),
    ],
)
def test_available_threads_takes_the_smallest_quota_of_the_cgroup_and_its_ancestors(
    tmp_path: Path, quota: str, parent_quota: str, threads: int
) -> None:
    # given a process two levels deep in a version 2 hierarchy
    _write(tmp_path / "proc/self/cgroup", "0::/pod/container\n")
    _write(tmp_path / "cgroup/pod/container/cpu.max", quota)
    _write(tmp_path / "cgroup/pod/cpu.max", parent_quota)
    assert available_threads(tmp_path / "proc", tmp_path / "cgroup") == threads


def test_available_threads_reads_quotas_of_cgroups_version_1(tmp_path: Path) -> None:
    _write(tmp_path / "proc/self/cgroup", "3:memory:/a\n2:cpu,cpuacct:/a\n")
    _write(tmp_path / "cgroup/cpu/a/cpu.cfs_quota_us", "100000")
    _write(tmp_path / "cgroup/cpu/a/cpu.cfs_period_us", "100000")
    assert available_threads(tmp_path / "proc", tmp_path / "cgroup") == 1


def test_cpu_flags_reads_x86_and_arm(tmp_path: Path) -> None:
    _write(tmp_path / "x86", "model name\t: a CPU\nflags\t\t: fpu avx avx2 avx512_vnni\n")
    _write(tmp_path / "arm", "Features\t: fp asimd asimddp\n")
    assert cpu_flags(tmp_path / "x86") == ["avx", "avx2", "avx512_vnni"]
    assert cpu_flags(tmp_path / "arm") == ["asimd", "asimddp"]
    assert set(cpu_flags(tmp_path / "absent")) <= {"asimd"}


@pytest.mark.parametrize(
    ("flags", "saturates"),
    [({"avx", "avx2"}, True), ({"avx", "avx2", "avx_vnni"}, False), ({"asimd"}, False)],
)
def test_saturates_int8_only_on_x86_without_vnni(flags: set[str], saturates: bool) -> None:
    assert saturates_int8(flags) is saturates


def test_cpu_name_is_the_name_from_linux(tmp_path: Path) -> None:
    _write(tmp_path / "cpuinfo", "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t: avx2\n")
    assert cpu_name(tmp_path / "cpuinfo") == "AMD EPYC"
    assert cpu_name(tmp_path / "nowhere")


def test_cpu_vendor_is_that_of_linux_or_empty(tmp_path: Path) -> None:
    _write(tmp_path / "x86", "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n")
    _write(tmp_path / "arm", "processor\t: 0\nCPU implementer\t: 0x41\n")
    assert [cpu_vendor(tmp_path / name) for name in ("x86", "arm", "absent")] == ["AuthenticAMD", "", ""]
