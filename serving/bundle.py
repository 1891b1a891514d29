"""Bundles: folders for serving, with a graph, a tokenizer, and a manifest with the digest of every file."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assay.corpus.cleaning import Cleaning
from assay.corpus.errors import AssayError
from assay.corpus.storage.digest import digest_file, digest_json
from assay.serving.calibration import UNCALIBRATED, Calibration
from assay.serving.decision import NO_DECISIONS, Decision, Decisions
from assay.serving.decoding import Transitions

MANIFEST = "bundle.json"
MODEL = "model.onnx"
FLOAT_MODEL = "model_fp32.onnx"  # the graph of bf16, if `model.onnx` is int8
TOKENIZER = "tokenizer.json"
FORMAT: Literal[1] = 1
LongTexts = Literal["truncate", "windows"]
Precision = Literal["fp32", "bf16", "int8"]


class Crf(BaseModel):
    """The scores of a CRF as lists, see `assay.serving.decoding.Transitions`."""

    start: list[float]
    end: list[float]
    between: list[list[float]]

    def transitions(self) -> Transitions:
        """Return the scores as arrays."""
        return Transitions(*(np.asarray(scores, dtype=np.float32) for scores in (self.start, self.end, self.between)))


class GoldenRow(BaseModel):
    """A row and its prediction by this graph at export, which the smoke test compares at every load."""

    text: str
    text_pair: str | None = None
    label: str | None = None
    probabilities: list[float] = Field(default_factory=list, description="In the order of `labels`")
    entities: list[tuple[int, int, str]] = Field(default_factory=list)
    labels: list[str] = Field(default_factory=list, description="Those that apply")
    label_probabilities: list[float] = Field(default_factory=list, description="In the order of `row_labels`")


class MeasuredPrecision(BaseModel):
    """A precision as measured on validation rows at export, on the CPU that `cpu_flags` of the manifest describe."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    precision: Precision
    f1: dict[str, float] = Field(description="F1 of each head with labelled rows")
    drop: dict[str, float] = Field(description="How much lower that F1 is than with float32")
    changed: float = Field(description="Share of rows whose label or entities differ from float32's")
    rows: int
    # Speeds are no part of the digest, since they differ from export to export.
    rows_per_second: float = Field(description="Of many rows in batches, tokenisation included")
    row_ms: float = Field(description="Median time of a single row in milliseconds")


class BundleManifest(BaseModel):
    """The manifest of a bundle, `bundle.json`.

    `labels` (classes), `row_labels` (of which any number may apply) and `tags` are in the order of the logits, and
    empty for a head that the model lacks. The graph takes `input_ids`, `attention_mask` and, if `type_ids`,
    `token_type_ids` (int64, rows x length), and returns `sentence` (rows x labels), `labels` (rows x row labels) and
    `tokens` (rows x length x tags), float32.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = FORMAT
    name: str
    labels: list[str]
    tags: list[str]
    row_labels: list[str] = []
    pair: bool
    type_ids: bool
    pad_id: int
    max_length: int
    cleaning: Cleaning
    crf: Crf | None = None
    precision: Literal["fp32", "int8"] = Field(description="Precision of `model.onnx`, which serves on any CPU")
    bf16: bool = Field(False, description="Serve in bf16 on CPUs of the class that `cpu_flags` describe")
    measured: list[MeasuredPrecision] = Field(default_factory=list, description="In order of preference")
    calibration: dict[Precision, Calibration] = Field(
        default_factory=dict, description="Correction of the confidences in each precision that ships"
    )
    decisions: dict[Precision, dict[str, Decision]] = Field(
        default_factory=dict, description="What is left to a person in each precision that ships, by head"
    )
    label_thresholds: dict[Precision, list[float]] = Field(
        default_factory=dict, description="Probability from which each of `row_labels` applies, by precision"
    )
    cpu_flags: list[str] = Field(description="Flags of the CPU that the metrics were measured on")
    reduced_range: bool = Field(False, description="int8 weights use 7 bits: exact also on CPUs without VNNI")
    long_texts: LongTexts = Field("truncate", description="How texts longer than `max_length` are read")
    files: dict[str, str] = Field(description="SHA-256 of each file beside the manifest")
    snapshot: str
    recipe: dict[str, Any]
    golden: list[GoldenRow]
    golden_bf16: list[GoldenRow] = Field(default_factory=list, description="The same rows, predicted in bf16")

    def calibration_of(self, precision: Precision) -> Calibration:
        """Return the calibration of a precision; one that was never fitted corrects nothing."""
        return self.calibration.get(precision, UNCALIBRATED)

    @property
    def shipped_precisions(self) -> list[Precision]:
        """Return the precisions that the bundle ships: that of `model.onnx`, and bf16 where it was chosen, too."""
        return [self.precision, "bf16"] if self.bf16 else [self.precision]

    def decisions_of(self, precision: Precision) -> Decisions:
        """Return the decisions of a precision, by head; empty if every prediction is decided."""
        return self.decisions.get(precision, NO_DECISIONS)

    @property
    def decided_heads(self) -> list[str]:
        """Return the heads with a decision, which are the same in every precision."""
        return list(self.decisions_of(self.precision))

    def label_thresholds_of(self, precision: Precision) -> list[float]:
        """Return the threshold of each row label in a precision; 0.5 where none was chosen."""
        return self.label_thresholds.get(precision, [0.5] * len(self.row_labels))

    @property
    def uncalibrated_thresholds(self) -> dict[str, float]:
        """Return the probability from which each row label applies as `model.onnx` gives it, before its calibration."""
        thresholds, labels = self.label_thresholds_of(self.precision), self.calibration_of(self.precision).labels
        if labels is not None:
            thresholds = labels.uncalibrated_thresholds(np.array(thresholds)).tolist()
        return dict(zip(self.row_labels, thresholds, strict=True))

    @property
    def entity_types(self) -> list[str]:
        """Return the types of entities, sorted; none without a token head."""
        return sorted({tag.partition("-")[2] for tag in self.tags} - {""})

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the manifest, which covers every file through its digest."""
        fields = self.model_dump(mode="json")
        # Neither speeds nor the order that follows from them: the same weights have the same digest.
        for measured in fields["measured"]:
            del measured["rows_per_second"], measured["row_ms"]
        fields["measured"].sort(key=lambda measured: measured["precision"])
        return digest_json(fields)


class Bundle:
    """A bundle whose files match their digests."""

    def __init__(self, folder: Path, manifest: BundleManifest) -> None:
        self.folder = folder
        self.manifest = manifest

    @classmethod
    def load(cls, folder: Path, digest: str | None = None) -> "Bundle":
        """Verify and open a bundle.

        Args:
            folder: folder of the bundle.
            digest: the expected digest, such as that of the registry; None accepts any.

        Raises:
            AssayError: the manifest is missing or of a newer format, a file is missing, changed or unlisted, or the
                digest is not the expected one.
        """
        path = folder / MANIFEST
        if not path.is_file():
            raise AssayError(
                f"{folder} holds no {MANIFEST}: it is not a bundle, or incomplete; export or fetch it again"
            )
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
        """Return the SHA-256 that covers every file."""
        return self.manifest.digest

    def graph_name(self, precision: Precision) -> str:
        """Return the name of the ONNX file that is loaded for a precision."""
        return FLOAT_MODEL if precision == "bf16" and FLOAT_MODEL in self.manifest.files else MODEL

    @property
    def model_path(self) -> Path:
        """Return the path of the ONNX graph that serves on any CPU."""
        return self.folder / MODEL

    @property
    def tokenizer_path(self) -> Path:
        """Return the path of the tokenizer of the `tokenizers` library."""
        return self.folder / TOKENIZER


def write_manifest(folder: Path, manifest: BundleManifest) -> None:
    """Write `bundle.json`, the completion manifest of the folder, after all other files."""
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")


def _describe(error: ValidationError) -> str:
    faults = error.errors(include_url=False)
    # A newer format also has other keys, so the format is the fault to report.
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
