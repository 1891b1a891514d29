import json
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from assay.corpus.cleaning import Cleaning
from assay.corpus.errors import AssayError
from assay.models.checkpoint import HISTORY, MANIFEST, TOKENIZER, Checkpoint, CheckpointManifest
from assay.models.network import Network
from assay.serving.bundle import Crf
from tests.models.deberta import batch, make_network

RECORD = CheckpointManifest(
    labels=["a", "b", "c"],
    tags=[],
    pair=True,
    max_length=64,
    cleaning=Cleaning(),
    uses_type_ids=False,
    pad_id=3,
    crf=Crf(start=[0.5], end=[1.0], between=[[0.0]]),
)


def save(folder: Path) -> tuple[Checkpoint, Network]:
    (folder / TOKENIZER).write_text("{}")
    network = make_network("sentence")
    return Checkpoint.save(folder, network, RECORD), network


def test_checkpoint_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    _, network = save(tmp_path)
    checkpoint = Checkpoint.load(tmp_path)
    assert checkpoint.manifest == RECORD
    assert (checkpoint.labels, checkpoint.tags, checkpoint.pair) == (["a", "b", "c"], [], True)
    assert (checkpoint.max_length, checkpoint.uses_type_ids, checkpoint.pad_id) == (64, False, 3)
    assert (checkpoint.cleaning, checkpoint.crf) == (RECORD.cleaning, RECORD.crf)
    assert checkpoint.tokenizer_path.read_text() == "{}"
    loaded = checkpoint.network(attention="eager")
    assert not loaded.training
    with torch.inference_mode():
        assert torch.allclose(loaded(**batch(9))["sentence"], network(**batch(9))["sentence"], atol=1e-6)


def test_checkpoint_save_needs_the_tokenizer_first(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match=r"holds no tokenizer\.json; save the tokenizer before the checkpoint"):
        Checkpoint.save(tmp_path, make_network("sentence"), RECORD)
    assert list(tmp_path.iterdir()) == []


def test_checkpoint_without_weights_has_no_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(network: Network, folder: Path) -> None:
        raise SafetensorError("I/O error: No space left on device")

    monkeypatch.setattr(Network, "save", full_disk)
    with pytest.raises(AssayError, match=r"weights cannot be written to .*; free disk space, then start the run again"):
        save(tmp_path)
    assert not (tmp_path / MANIFEST).exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"holds no checkpoint\.json: not a finished checkpoint; run with --from train"),
        (b"{}", r"checkpoint\.json is of another version; run with --from train"),
        (b"cut", r"checkpoint\.json is of another version; run with --from train"),
    ],
)
def test_checkpoint_load_refuses_an_unfinished_training(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(AssayError, match=message):
        Checkpoint.load(tmp_path)


def test_checkpoint_reads_its_history(tmp_path: Path) -> None:
    checkpoint, _ = save(tmp_path)
    (tmp_path / HISTORY).write_text(json.dumps({"kept_epoch": 2, "warnings": ["ü"]}), encoding="utf-8")
    assert checkpoint.history == {"kept_epoch": 2, "warnings": ["ü"]}
