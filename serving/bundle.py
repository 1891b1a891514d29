"""The bundle: the folder that serves. A graph, a tokenizer, a manifest with a digest of every file."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assay.corpus.cleaning import Cleaning
from assay.corpus.errors import AssayError
from assay.corpus.storage.digest import digest_file, digest_json
from assay.serving.decoding import Transitions

MANIFEST = "bundle.json"
MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"
FORMAT: Literal[1] = 1
LongTexts = Literal["truncate", "windows"]


class Crf(BaseModel):
    """Scores of the CRF: see `assay.serving.decoding.Transitions`."""

    start: list[float]
    end: list[float]
    between: list[list[float]]

    def transitions(self) -> Transitions:
        """The scores as arrays."""
        return Transitions(*(np.asarray(part, dtype=np.float32) for part in (self.start, self.end, self.between)))


class GoldenRow(BaseModel):
    """A row and the answer that this very graph gave at export: the smoke test of every later load."""

    text: str
    text_pair: str | None = None
    label: str | None = None
    probabilities: list[float] = Field(default_factory=list, description="In the order of `labels`")
    entities: list[tuple[int, int, str]] = Field(default_factory=list)


class BundleManifest(BaseModel):
    """`bundle.json`.

    `labels` and `tags` are in the order of the logits; a head that is not there has none. The graph takes
    `input_ids`, `attention_mask` and, if `type_ids`, `token_type_ids` (int64, rows x length) and gives
    `sentence` (rows x labels) and `tokens` (rows x length x tags), float32.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = FORMAT
    name: str
    labels: list[str]
    tags: list[str]
    pair: bool
    type_ids: bool
    pad_id: int
    max_length: int
    cleaning: Cleaning
    crf: Crf | None = None
    precision: Literal["fp32", "int8"]
    cpu_flags: list[str] = Field(description="Of the CPU that the figures were measured on")
    reduced_range: bool = Field(False, description="int8 weights use 7 bits: exact also on CPUs without VNNI")
    long_texts: LongTexts = Field("truncate", description="What happens to texts longer than `max_length`")
    files: dict[str, str] = Field(description="SHA-256 of each file beside the manifest")
    snapshot: str
    recipe: dict[str, Any]
    golden: list[GoldenRow]

    @property
    def digest(self) -> str:
        """SHA-256 that covers the manifest and, through it, every file."""
        fields = self.model_dump(mode="json")
        if self.long_texts == "truncate":
            del fields["long_texts"]  # bundles that are older than the choice keep their digest
        return digest_json(fields)


class Bundle:
    """A bundle whose files have been checked against their digests."""

    def __init__(self, folder: Path, manifest: BundleManifest) -> None:
        self.folder = folder
        self.manifest = manifest

    @classmethod
    def load(cls, folder: Path, digest: str | None = None) -> "Bundle":
        """Open a bundle and verify it before anything of it is used.

        Args:
            folder: where it lies.
            digest: the digest it must have, where the caller knows one (the registry does).

        Raises:
            AssayError: no manifest, a newer format, a file missing, changed or too many, or another digest.
        """
        path = folder / MANIFEST
        if not path.is_file():
            raise AssayError(f"{folder} holds no {MANIFEST}: not a bundle, or one that was never finished")
        try:
            manifest = BundleManifest.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise AssayError(f"{path}: {_describe(error)}") from error
        if digest is not None and manifest.digest != digest:
            raise AssayError(f"{path} has digest {manifest.digest}, but {digest} was promoted; fetch it again")
        _verify_files(folder, manifest.files)
        return cls(folder, manifest)

    @property
    def digest(self) -> str:
        """SHA-256 that covers every file."""
        return self.manifest.digest

    @property
    def model_path(self) -> Path:
        """The ONNX graph."""
        return self.folder / MODEL

    @property
    def tokenizer_path(self) -> Path:
        """The tokenizer of the `tokenizers` library."""
        return self.folder / TOKENIZER


def write_manifest(folder: Path, manifest: BundleManifest) -> None:
    """Write `bundle.json`, the marker that the folder is whole: call it last."""
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")


def _describe(error: ValidationError) -> str:
    faults = error.errors(include_url=False)
    # A newer format has other keys too; that it is newer is what explains them.
    for fault in faults:
        if fault["loc"] == ("format",):
            return f"format is {fault['input']!r}, this version reads {FORMAT}; install the version that wrote it"
    key = ".".join(map(str, faults[0]["loc"])) or "content"
    return f"{key}: {faults[0]['msg']}; fetch the bundle again, or export the model again with this version"


def _verify_files(folder: Path, files: dict[str, str]) -> None:
    for required in (MODEL, TOKENIZER):
        if required not in files:
            raise AssayError(f"{folder / MANIFEST} lists no {required}; export the model again")
    present = {path.name for path in folder.iterdir()} - {MANIFEST}
    surplus = present - set(files)
    if surplus:
        raise AssayError(f"{folder} holds {sorted(surplus)[0]}, which its manifest does not list; remove it")
    for name, digest in files.items():
        path = folder / name
        if path.parent != folder or not path.is_file():
            raise AssayError(f"{path} is missing; fetch the bundle again")
        if digest_file(path) != digest:
            raise AssayError(f"{path} differs from its digest in {MANIFEST}; fetch the bundle again")
