"""Bundles that are truncated, changed, mixed and forged are refused before an inference session is created."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from assay.corpus.errors import AssayError
from assay.corpus.storage.digest import digest_file
from assay.serving.bundle import MANIFEST, MODEL, TOKENIZER, Bundle
from assay.serving.engine import Engine, Row
from tests.bundles import build_bundle
from tests.faults.counts import count, many

FILES = (MODEL, TOKENIZER, MANIFEST)


@pytest.fixture
def sound(tmp_path: Path) -> Bundle:
    folder = tmp_path / "sound"
    folder.mkdir()
    return build_bundle(folder, {"good": "up", "bad": "down"}, {"Apple": "ORG"})


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the inference sessions that were created."""
    made: list[Any] = []
    original = onnxruntime.InferenceSession

    def session(*args: Any, **kwargs: Any) -> Any:
        made.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    return made


def flip(data: bytearray, draw: random.Random) -> None:
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def cut(data: bytearray, draw: random.Random) -> None:
    del data[draw.randrange(len(data)) :]


def mix(data: bytearray, draw: random.Random) -> None:
    data[draw.randrange(len(data)) :] = draw.randbytes(draw.randrange(1, 50))


def test_bundle_refuses_every_changed_byte(sound: Bundle, tmp_path: Path, sessions: list[Any]) -> None:
    changes, refused, tries = (flip, cut, mix), 0, many(300, 10_000)
    folder = tmp_path / "broken"
    shutil.copytree(sound.folder, folder)
    for number in range(tries):
        draw = random.Random(number)
        path = folder / draw.choice(FILES)
        whole = path.read_bytes()
        data = bytearray(whole)
        draw.choice(changes)(data, draw)
        path.write_bytes(data)
        same = opened(folder, sound.digest)
        refused += same is None
        # a change of white space in the manifest, which still says the same
        assert same is None or (path.name == MANIFEST and same.manifest == sound.manifest)
        path.write_bytes(whole)
    assert sessions == []
    assert refused > 0.95 * tries
    count("a bundle cut, flipped or overwritten at random", tries, "damages, each refused before a session is created")


def opened(folder: Path, digest: str) -> Bundle | None:
    """Open the bundle if it has this digest, which the registry knows of a promoted bundle."""
    try:
        return Bundle.load(folder, digest)
    except AssayError:
        return None


def forged(sound: Bundle, change: Callable[[Path], None]) -> Path:
    """Change the bundle and its manifest, so that they agree."""
    change(sound.folder)
    manifest = json.loads((sound.folder / MANIFEST).read_text())
    manifest["files"] = {path.name: digest_file(path) for path in sound.folder.iterdir() if path.name != MANIFEST}
    (sound.folder / MANIFEST).write_text(json.dumps(manifest))
    return sound.folder


def external_data(folder: Path) -> None:
    model = onnx.load(folder / MODEL)
    onnx.save_model(model, folder / MODEL, save_as_external_data=True, location="weights.bin", size_threshold=0)


def custom_operator(folder: Path) -> None:
    model = onnx.load(folder / MODEL)
    model.graph.node.append(helper.make_node("Shell", ["input_ids"], ["shell"], domain="evil.example"))
    model.opset_import.append(helper.make_opsetid("evil.example", 1))
    onnx.save(model, folder / MODEL)


def other_tokenizer(folder: Path) -> None:
    other = folder.parent / "other"
    other.mkdir()
    build_bundle(other, {"fine": "up", "poor": "down"}, {"Pear": "ORG"})
    shutil.copy(other / TOKENIZER, folder / TOKENIZER)


@pytest.mark.parametrize("change", [external_data, custom_operator, other_tokenizer])
def test_bundle_refuses_a_forgery(sound: Bundle, sessions: list[Any], change: Callable[[Path], None]) -> None:
    folder = forged(sound, change)
    sessions.clear()
    with pytest.raises(AssayError, match="was promoted"):
        Bundle.load(folder, sound.digest)
    assert sessions == []
    count("a bundle forged with a manifest that fits", 1, "forgeries")


@pytest.mark.parametrize("change", [external_data, custom_operator])
def test_bundle_of_an_unknown_folder_runs_no_foreign_code(
    sound: Bundle, sessions: list[Any], change: Callable[[Path], None]
) -> None:
    folder = forged(sound, change)
    with pytest.raises(AssayError, match=r"another file|operators of the domain"):
        Engine(Bundle.load(folder), threads=1)
    assert sessions == []


def test_engine_reports_non_finite_outputs_as_an_error(sound: Bundle) -> None:
    model = onnx.load(sound.model_path)
    last = next(node for node in model.graph.node if node.output[0] == "sentence")
    last.output[0] = "finite"
    model.graph.initializer.append(numpy_helper.from_array(np.array([np.nan, 0], dtype=np.float32), "nan"))
    model.graph.node.append(helper.make_node("Add", ["finite", "nan"], ["sentence"]))

    def poison(folder: Path) -> None:
        onnx.save(model, folder / MODEL)

    engine = Engine(Bundle.load(forged(sound, poison)), threads=1)
    with pytest.raises(AssayError, match="finite"):
        engine.predict([Row("good")])
