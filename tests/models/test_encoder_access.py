"""Whether an encoder can be had is known in seconds, with and without a network."""

import threading
from pathlib import Path

import pytest

from assay.models import encoder_access as access
from assay.models.encoder_access import encoder_access
from assay.recipes.model_section import ModelSection, Scratch


def model(encoder: str, revision: str | None = "abc") -> ModelSection:
    return ModelSection(encoder=encoder, revision=revision, heads=["sentence"])


def test_encoder_access_needs_nothing_from_scratch() -> None:
    assert encoder_access(ModelSection(scratch=Scratch(), heads=["sentence"])).available


def test_encoder_access_names_the_files_that_a_folder_lacks(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    found = encoder_access(model(str(tmp_path)))
    assert not found.available
    assert found.detail == f"the folder model.encoder '{tmp_path}' lacks model.safetensors, tokenizer.json; add them"
    (tmp_path / "pytorch_model.bin").touch()
    (tmp_path / "vocab.txt").touch()
    assert encoder_access(model(str(tmp_path))).available


def test_encoder_access_finds_the_cache_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    commit = tmp_path / "models--owner--name" / "snapshots" / "abc"
    commit.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (commit / name).write_text("{}")
    assert encoder_access(model("owner/name")).detail == "owner/name at abc is in the cache of the hub"


def test_encoder_access_says_offline_without_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    found = encoder_access(model("owner/name"))
    assert not found.available
    assert (
        "owner/name at abc is not in the cache, and the hub cannot be reached (HF_HUB_OFFLINE is set)" in found.detail
    )
    assert "name a local folder" in found.detail


def test_encoder_access_waits_no_longer_than_its_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a look-up of the host that hangs
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    hangs = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: hangs.wait(60))
    monkeypatch.setattr(access, "PATIENCE_S", 0.2)
    found = encoder_access(model("owner/name"))
    hangs.set()
    assert not found.available
    assert "(no response in 0 s)" in found.detail
