"""The results of a run's steps that the gate reads: one typed reference per step."""

from pydantic import BaseModel, ConfigDict

from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.bundle_evaluation import Evaluation
from assay.evaluation.export_report import ExportReport
from assay.expectations.validation_report import ValidationReport
from assay.models.checkpoint import Checkpoint


class RunResults(BaseModel):
    """References to the results of one run, from its data to the scores of its candidate on the test rows."""

    model_config = ConfigDict(frozen=True)

    snapshot: ArtifactRef[Snapshot]
    validation: ArtifactRef[ValidationReport]
    splits: ArtifactRef[Splits]
    checkpoint: ArtifactRef[Checkpoint]
    export: ArtifactRef[ExportReport]
    evaluation: ArtifactRef[Evaluation]
