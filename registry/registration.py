"""Registration: a bundle becomes a version of its model, with the verdict about it and a text that MLflow shows."""

from collections.abc import Mapping
from pathlib import Path

from assay.evaluation.verdict import Verdict
from assay.registry.approvals import Approval, approval_tags
from assay.registry.card_descriptions import LONGEST_DESCRIPTION, shortened_card
from assay.registry.model_registry import ModelRegistry
from assay.registry.verdict_rules import check_bundle
from assay.registry.versions import Version
from assay.runs.mlflow_runs import find_run
from assay.runs.tags import FAILED_TAG, OUTCOME_TAG, VERDICT_TAG
from assay.runs.tracking import mlflow_reachable
from assay.serving.bundle import Bundle


def register_bundle(
    registry: ModelRegistry,
    mlflow_run: str,
    bundle_folder: Path,
    verdict: Verdict,
    tags: Mapping[str, str],
    approval: Approval | None = None,
) -> Version:
    """Make a bundle a version of the model, once: a second call returns the version of the first.

    The verdict is kept with the MLflow run of the version.

    Args:
        registry: the registered model.
        mlflow_run: id of the run that trained the bundle.
        bundle_folder: folder of the bundle.
        verdict: verdict of the gate, passed or refused.
        tags: further tags of the version.
        approval: approval that a person is asked for; the version is pending then.

    Raises:
        AssayError: the verdict is about another bundle, or MLflow cannot be reached.
    """
    bundle = Bundle.load(bundle_folder)
    check_bundle(verdict, bundle.digest)
    outcome = approval_tags(approval, verdict.outcome) if approval else {OUTCOME_TAG: verdict.outcome}
    own_tags = {VERDICT_TAG: verdict.digest, **outcome}
    with mlflow_reachable(registry.tracking_uri):
        # The verdict is written first, so that a reader of the tag, or a person who is asked, finds it.
        registry.approvals.keep(_run_of(registry, bundle.digest) or mlflow_run, verdict)
        version = registry.versions.create(mlflow_run, bundle, {**tags, **own_tags}, "")
        if verdict.outcome == "passed" and FAILED_TAG in version.tags:
            registry.client.delete_model_version_tag(registry.name, version.number, FAILED_TAG)
        return registry.versions.get(version.number)


def describe_version(registry: ModelRegistry, version: Version, markdown: str) -> None:
    """Set the text that MLflow shows for a version."""
    with mlflow_reachable(registry.tracking_uri):
        text = shortened_card(markdown, LONGEST_DESCRIPTION)
        registry.client.update_model_version(registry.name, version.number, text)


def add_note(registry: ModelRegistry, version: Version, line: str) -> None:
    """Put a line on top of the text that MLflow shows for a version."""
    with mlflow_reachable(registry.tracking_uri):
        description = registry.client.get_model_version(registry.name, version.number).description or ""
    describe_version(registry, version, f"{line}\n\n{description}")


def _run_of(registry: ModelRegistry, bundle: str) -> str | None:
    """Return the MLflow run of the version that holds a bundle already; None if there is no version, or no run left."""
    version = registry.versions.find(bundle)
    run = version.run_id if version else None
    return run if run is not None and find_run(registry.client, run) is not None else None
