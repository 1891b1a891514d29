import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from assay.corpus.errors import AssayError
from assay.corpus.storage.digest import digest_file
from assay.serving.bundle import MANIFEST, MODEL, TOKENIZER, Bundle
from assay.serving.engine import Engine

Damage = Callable[[Path], Any]


def _flip_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _change_manifest(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps(manifest | changes), encoding="utf-8")


DAMAGES: dict[str, tuple[Damage, str]] = {
    "no manifest": (lambda folder: (folder / MANIFEST).unlink(), "holds no bundle.json"),
    "manifest cut": (lambda folder: (folder / MANIFEST).write_text("{"), "Invalid JSON"),
    "manifest not text": (lambda folder: (folder / MANIFEST).write_bytes(b"\xff\xfe"), "fetch the bundle again"),
    "key missing": (lambda folder: (folder / MANIFEST).write_text('{"format": 1}'), "name: Field required"),
    "newer format": (lambda folder: _change_manifest(folder, format=2, new=1), "format is 2, this version reads 1"),
    "unknown key": (lambda folder: _change_manifest(folder, surprise=1), "surprise: Extra inputs"),
    "model truncated": (lambda folder: (folder / MODEL).write_bytes(b"\x08"), "model.onnx differs from its digest"),
    "model bit flipped": (lambda folder: _flip_bit(folder / MODEL), "model.onnx differs from its digest"),
    "tokenizer bit flipped": (lambda folder: _flip_bit(folder / TOKENIZER), "tokenizer.json differs"),
    "model missing": (lambda folder: (folder / MODEL).unlink(), "model.onnx is missing"),
    "model not listed": (lambda folder: _change_manifest(folder, files={}), "lists no model.onnx"),
    "surplus file": (lambda folder: (folder / "extra.bin").touch(), "holds extra.bin"),
    "surplus folder": (lambda folder: (folder / "extra").mkdir(), "holds extra,"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_load_refuses_a_damaged_bundle(toy: Bundle, damage: str) -> None:
    apply, message = DAMAGES[damage]
    apply(toy.folder)
    with pytest.raises(AssayError, match=re.escape(message)) as caught:
        Bundle.load(toy.folder)
    assert "\n" not in str(caught.value)


def test_load_refuses_a_listed_file_outside_the_folder(toy: Bundle) -> None:
    outside = toy.folder.parent / "outside"
    outside.write_text("x")
    _change_manifest(toy.folder, files=toy.manifest.files | {"../outside": digest_file(outside)})
    with pytest.raises(AssayError, match="outside is missing"):
        Bundle.load(toy.folder)


def test_load_refuses_another_digest_than_the_expected_one(toy: Bundle) -> None:
    assert Bundle.load(toy.folder, toy.digest).digest == toy.digest
    with pytest.raises(AssayError, match="was promoted"):
        Bundle.load(toy.folder, "0" * 64)


def test_digest_covers_the_manifest(toy: Bundle) -> None:
    _change_manifest(toy.folder, labels=["down", "sideways"])
    assert Bundle.load(toy.folder).digest != toy.digest


def test_digest_leaves_out_what_differs_from_export_to_export(toy: Bundle) -> None:
    fields = {"f1": {"sentence": 0.9}, "drop": {"sentence": 0.0}, "changed": 0.0, "rows": 50}
    fast, slow = (
        [{**fields, "precision": name, "rows_per_second": speed, "row_ms": 1.0} for name in names]
        for names, speed in ((("int8", "fp32"), 300.0), (("fp32", "int8"), 100.0))
    )
    _change_manifest(toy.folder, measured=fast)
    digest = Bundle.load(toy.folder).digest
    _change_manifest(toy.folder, measured=slow)
    assert Bundle.load(toy.folder).digest == digest
    _change_manifest(toy.folder, measured=slow[:1])
    assert Bundle.load(toy.folder).digest != digest


@pytest.mark.parametrize("name", [MODEL, TOKENIZER])
def test_engine_refuses_a_file_that_changed_after_load(toy: Bundle, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "InferenceSession", None)  # a call of it would be a TypeError
    _flip_bit(toy.folder / name)
    with pytest.raises(AssayError, match="changed while it was loaded"):
        Engine(toy)
