"""The checkpoint: what training leaves. Weights, tokenizer, labels; the marker `checkpoint.json` is written last."""

import json
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from assay.corpus.cleaning import Cleaning
from assay.corpus.errors import AssayError
from assay.models.network import Network, load_network
from assay.models.weight_files import weights_written_to
from assay.serving.bundle import Crf

MANIFEST = "checkpoint.json"
TOKENIZER = "tokenizer.json"
HISTORY = "history.json"


class CheckpointManifest(BaseModel):
    """`checkpoint.json`. `labels` and `tags` are in the order of the logits; a head that is not there has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: list[str]
    tags: list[str]
    pair: bool
    max_length: int
    cleaning: Cleaning
    uses_type_ids: bool
    pad_id: int
    crf: Crf | None = None


class Checkpoint:
    """A finished checkpoint on disk."""

    def __init__(self, folder: Path, manifest: CheckpointManifest) -> None:
        self.folder = folder
        self.manifest = manifest

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open a checkpoint.

        Raises:
            AssayError: there is no marker, so the training never ended, or it is of another version.
        """
        path = folder / MANIFEST
        if not path.is_file():
            raise AssayError(f"{folder} holds no {MANIFEST}: not a finished checkpoint; run with --from train")
        try:
            return cls(folder, CheckpointManifest.model_validate_json(path.read_bytes()))
        except ValidationError as error:
            raise AssayError(f"{path} is of another version; run with --from train") from error

    @classmethod
    def save(cls, folder: Path, network: Network, manifest: CheckpointManifest) -> Self:
        """Write the weights, then the marker. The tokenizer must lie in the folder already."""
        if not (folder / TOKENIZER).is_file():
            raise AssayError(f"{folder} holds no {TOKENIZER}; save the tokenizer before the checkpoint")
        with weights_written_to(folder):
            network.save(folder)
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
        return cls(folder, manifest)

    @property
    def labels(self) -> list[str]:
        """Classes of the sentence head."""
        return self.manifest.labels

    @property
    def tags(self) -> list[str]:
        """BIO tags of the token head."""
        return self.manifest.tags

    @property
    def pair(self) -> bool:
        """Whether the sentence head reads pairs of texts."""
        return self.manifest.pair

    @property
    def max_length(self) -> int:
        """Longest input in tokens."""
        return self.manifest.max_length

    @property
    def cleaning(self) -> Cleaning:
        """Done to every text before it is tokenised."""
        return self.manifest.cleaning

    @property
    def uses_type_ids(self) -> bool:
        """Whether the network is given `token_type_ids`."""
        return self.manifest.uses_type_ids

    @property
    def pad_id(self) -> int:
        """Id of the padding token."""
        return self.manifest.pad_id

    @property
    def crf(self) -> Crf | None:
        """Scores of the CRF."""
        return self.manifest.crf

    @property
    def tokenizer_path(self) -> Path:
        """The tokenizer of the `tokenizers` library."""
        return self.folder / TOKENIZER

    @property
    def history(self) -> dict[str, Any]:
        """Curves and circumstances of the training.

        `epochs` (figures of each), `loss` (pairs of step and loss), `kept_epoch`, `device`, `precision`, `threads`;
        `seconds` and `examples_per_second` are those of the last attempt, where a training was interrupted.
        """
        history: dict[str, Any] = json.loads((self.folder / HISTORY).read_text(encoding="utf-8"))
        return history

    def network(self, attention: str | None = None) -> Network:
        """The network in eval mode, float32, adapters merged.

        Args:
            attention: `eager` for export, `sdpa`; none: the fastest that the encoder has.
        """
        return load_network(self.folder, len(self.labels), len(self.tags), attention)
