"""The model behind `--json` of each command, which the reference describes."""

from importlib import import_module

from pydantic import BaseModel

# Command -> module and class; the modules are imported only to describe them.
JSON_OUTPUTS = {
    "run": ("cli.run_summary", "RunSummary"),
    "validate": ("evaluation.data_report", "DataReport"),
    "models": ("registry.model_overview", "ModelList"),
    "show": ("registry.version_summary", "VersionSummary"),
    "history": ("registry.history", "AliasChanges"),
    "diff": ("registry.lineage.version_diff", "VersionDiff"),
    "reproduce": ("tasks.reproduce", "Reproduction"),
    "monitor": ("evaluation.drift.drift_report", "DriftReport"),
    "labels issues": ("evaluation.labels.label_task_report", "LabelTaskReport"),
    "labels suggest": ("evaluation.labels.label_task_report", "LabelTaskReport"),
    "labels apply": ("flows.corrections", "CorrectionReport"),
    "doctor": ("deployments.doctor", "Diagnoses"),
    "gc": ("registry.retention.garbage_collection", "CollectionReport"),
    "erase": ("registry.retention.erasure", "ErasureReport"),
}


def json_model(command: str) -> type[BaseModel]:
    """Return the model of the JSON document that a command prints."""
    module, name = JSON_OUTPUTS[command]
    model: type[BaseModel] = getattr(import_module(f"assay.{module}"), name)
    return model
