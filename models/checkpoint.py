"""The checkpoint of a training: weights, tokenizer and labels; the manifest `checkpoint.json` is written last."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from assay.corpus.cleaning import Cleaning
from assay.corpus.errors import AssayError
from assay.models.weight_files import weights_written_to
from assay.serving.bundle import Crf

if TYPE_CHECKING:
    from assay.models.network import Network

MANIFEST = "checkpoint.json"
TOKENIZER = "tokenizer.json"
HISTORY = "history.json"


class CheckpointManifest(BaseModel):
    """`checkpoint.json`. `labels`, `tags` and `row_labels` are in the order of the logits, empty for a missing head."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: list[str]
    tags: list[str]
    pair: bool
    max_length: int
    cleaning: Cleaning
    uses_type_ids: bool
    pad_id: int
    crf: Crf | None = None
    row_labels: list[str] = []


class Checkpoint:
    """A finished checkpoint on disk."""

    def __init__(self, folder: Path, manifest: CheckpointManifest) -> None:
        self.folder = folder
        self.manifest = manifest

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a checkpoint.

        Raises:
            AssayError: there is no manifest, so the training did not finish, or the manifest is of another version.
        """
        path = folder / MANIFEST
        if not path.is_file():
            raise AssayError(f"{folder} holds no {MANIFEST}: not a finished checkpoint; run with --from train")
        try:
            return cls(folder, CheckpointManifest.model_validate_json(path.read_bytes()))
        except ValidationError as error:
            raise AssayError(f"{path} is of another version; run with --from train") from error

    @classmethod
    def save(cls, folder: Path, network: "Network", manifest: CheckpointManifest) -> Self:
        """Write the weights, then the manifest. The tokenizer must already be in the folder."""
        if not (folder / TOKENIZER).is_file():
            raise AssayError(f"{folder} holds no {TOKENIZER}; save the tokenizer before the checkpoint")
        network.name_labels(manifest.labels or manifest.row_labels or manifest.tags)
        with weights_written_to(folder):
            network.save(folder)
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
        return cls(folder, manifest)

    @property
    def labels(self) -> list[str]:
        """Return the classes of the sentence head."""
        return self.manifest.labels

    @property
    def tags(self) -> list[str]:
        """Return the BIO tags of the token head."""
        return self.manifest.tags

    @property
    def row_labels(self) -> list[str]:
        """Return the labels of the labels head."""
        return self.manifest.row_labels

    @property
    def pair(self) -> bool:
        """Return whether the sentence head reads pairs of texts."""
        return self.manifest.pair

    @property
    def max_length(self) -> int:
        """Return the maximum input length in tokens."""
        return self.manifest.max_length

    @property
    def cleaning(self) -> Cleaning:
        """Return the cleaning that is applied to every text before tokenisation."""
        return self.manifest.cleaning

    @property
    def uses_type_ids(self) -> bool:
        """Return whether the network takes `token_type_ids`."""
        return self.manifest.uses_type_ids

    @property
    def pad_id(self) -> int:
        """Return the id of the padding token."""
        return self.manifest.pad_id

    @property
    def crf(self) -> Crf | None:
        """Return the scores of the CRF; None without one."""
        return self.manifest.crf

    @property
    def tokenizer_path(self) -> Path:
        """Return the path of the tokenizer of the `tokenizers` library."""
        return self.folder / TOKENIZER

    @property
    def history(self) -> dict[str, Any]:
        """Return the curves and the environment of the training.

        Its keys are `epochs` (metrics per epoch), `loss` (pairs of step and loss), `kept_epoch`, `device`, `precision`,
        `processes`, `threads`, `warnings`, and `seconds` and `examples_per_second`, which cover the last attempt of an
        interrupted training.
        """
        history: dict[str, Any] = json.loads((self.folder / HISTORY).read_text(encoding="utf-8"))
        return history

    def network(self, attention: str | None = None) -> "Network":
        """Load the network in eval mode and float32, with merged adapters.

        Args:
            attention: `eager` for export, or `sdpa`; None uses the fastest that the encoder supports.
        """
        # Imported here, since torch takes seconds to import and a look at the manifest does not need it.
        from assay.models.network import load_network

        return load_network(self.folder, len(self.labels), len(self.tags), len(self.row_labels), attention=attention)
