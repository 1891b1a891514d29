import json
import logging
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.extras import install_command
from assay.corpus.storage.digest import digest_file
from assay.serving import engine as engine_module
from assay.serving import openvino_provider
from assay.serving.bundle import FLOAT_MODEL, MODEL, Bundle, write_manifest
from assay.serving.cpu import cpu_flags, cpu_vendor
from assay.serving.engine import Engine, Row, serving_precision
from assay.serving.smoke import smoke_test
from tests.serving.conftest import BuildToy

AMX = ["avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"]
ROWS = [Row(text) for text in ("good Apple", "bad", "fine fine München , Müller", "nothing known here", "good " * 30)]

needs_bf16 = pytest.mark.skipif(
    not openvino_provider.runs_bf16(), reason="needs the extra openvino and a CPU of Intel with amx_bf16 or avx512_bf16"
)


@pytest.mark.parametrize(
    ("flags", "vendor", "installed", "precision"),
    [
        pytest.param(AMX, "GenuineIntel", True, "bf16", id="as measured"),
        pytest.param(AMX, "GenuineIntel", False, "int8", id="without the extra"),
        pytest.param(AMX[:4], "GenuineIntel", True, "int8", id="bf16, but of another class than measured"),
        pytest.param(AMX[:3], "GenuineIntel", True, "int8", id="no bf16"),
        pytest.param(AMX, "AuthenticAMD", True, "int8", id="bf16, but on a CPU that the plugin does not offer"),
    ],
)
def test_serving_precision_is_bf16_only_where_it_was_measured(
    build_toy: BuildToy, monkeypatch: pytest.MonkeyPatch, flags: list[str], vendor: str, installed: bool, precision: str
) -> None:
    manifest = build_toy(precision="int8", reduced_range=True, bf16=True, cpu_flags=AMX).manifest
    _imitate(monkeypatch, flags, vendor, installed)
    assert serving_precision(manifest) == precision
    assert serving_precision(manifest.model_copy(update={"bf16": False})) == "int8"


@pytest.mark.parametrize(("vendor", "named"), [("GenuineIntel", True), ("AuthenticAMD", False)])
def test_engine_names_the_extra_where_bf16_would_be_faster(
    build_toy: BuildToy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, vendor: str, named: bool
) -> None:
    toy = build_toy(bf16=True, cpu_flags=AMX)
    _imitate(monkeypatch, AMX, vendor, installed=False)
    with caplog.at_level(logging.INFO, "assay.serving"):
        assert Engine(toy, threads=1).precision == "fp32"
    assert (install_command("openvino") in caplog.text) is named


# A newer plugin that offers other CPUs must be noticed.
@pytest.mark.skipif(not openvino_provider.is_installed(), reason="needs the extra openvino")
def test_plugin_offers_cpus_of_its_vendor_alone() -> None:
    script = """
from assay.corpus.errors import AssayError
from assay.serving import cpu, openvino_provider
try:
    openvino_provider._devices()
    print(openvino_provider.VENDOR)
except AssayError:
    print("none", cpu.cpu_vendor())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    vendor = cpu_vendor()
    assert done.stdout.strip() == (vendor if vendor == openvino_provider.VENDOR else f"none {vendor}")


def test_engine_refuses_bf16_without_the_extra(toy: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_provider, "find_spec", lambda name: None)
    with pytest.raises(AssayError, match=re.escape(install_command("openvino"))) as caught:
        Engine(toy, precision="bf16")
    assert "\n" not in str(caught.value)


@needs_bf16
def test_engine_in_bf16_predicts_as_in_fp32(toy: Bundle) -> None:
    fp32, bf16 = (Engine(toy, threads=2, precision=precision).predict(ROWS) for precision in ("fp32", "bf16"))
    for first, second in zip(fp32, bf16, strict=True):
        assert first.label == second.label
        assert second.probabilities == pytest.approx(first.probabilities, abs=0.02)
        assert [entity.start for entity in first.entities] == [entity.start for entity in second.entities]


@needs_bf16
def test_engine_in_bf16_predicts_from_the_float_graph_of_an_int8_bundle(build_toy: BuildToy) -> None:
    # given a bundle whose default graph is no model at all
    toy = build_toy(bf16=True, precision="int8", reduced_range=True, cpu_flags=cpu_flags())
    shutil.move(toy.folder / MODEL, toy.folder / FLOAT_MODEL)
    (toy.folder / MODEL).write_bytes(b"no graph")
    files = toy.manifest.files | {name: digest_file(toy.folder / name) for name in (MODEL, FLOAT_MODEL)}
    golden = {"golden_bf16": toy.manifest.golden, "golden": []}
    write_manifest(toy.folder, toy.manifest.model_copy(update={"files": files, **golden}))
    # when it is opened on a CPU like the one of its export
    engine = Engine(Bundle.load(toy.folder), threads=1)
    # then that CPU's precision is served and compared with its own golden rows
    assert engine.precision == "bf16"
    assert smoke_test(engine) == 2


@needs_bf16
def test_smoke_command_reports_bf16(build_toy: BuildToy) -> None:
    toy = build_toy(bf16=True, cpu_flags=cpu_flags())
    write_manifest(toy.folder, toy.manifest.model_copy(update={"golden_bf16": toy.manifest.golden}))
    command = [sys.executable, "-m", "assay.serving.smoke", str(toy.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["precision"] == "bf16"


def test_bundle_with_a_float_graph_of_other_bytes_is_refused(build_toy: BuildToy, tmp_path: Path) -> None:
    toy = build_toy(bf16=True)
    shutil.copyfile(toy.folder / MODEL, toy.folder / FLOAT_MODEL)
    files = toy.manifest.files | {FLOAT_MODEL: "0" * 64}
    write_manifest(toy.folder, toy.manifest.model_copy(update={"files": files}))
    with pytest.raises(AssayError, match="differs from its digest"):
        Bundle.load(toy.folder)


@needs_bf16
def test_engine_reports_an_openvino_that_does_not_load(toy: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: str) -> None:
        raise RuntimeError("API version 99\nis not supported")

    monkeypatch.setattr(openvino_provider, "_cpus", lambda provider: [])
    monkeypatch.setattr("onnxruntime.register_execution_provider_library", refused)
    with pytest.raises(AssayError, match=r"does not load OpenVINO: API version 99") as caught:
        Engine(toy, precision="bf16")
    assert "\n" not in str(caught.value)


def _imitate(monkeypatch: pytest.MonkeyPatch, flags: list[str], vendor: str, installed: bool) -> None:
    """Let this machine have another CPU, with or without the extra."""
    for module in (engine_module, openvino_provider):
        monkeypatch.setattr(module, "cpu_flags", lambda: flags)
        monkeypatch.setattr(module, "is_installed", lambda: installed)
    monkeypatch.setattr(openvino_provider, "cpu_vendor", lambda: vendor)
