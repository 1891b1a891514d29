"""Data sets of Argilla 2, through its SDK."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assay.corpus.documents.annotators.decisions import REVIEW, REVIEWED, UNSURE
from assay.evaluation.labels.label_issue import LabelTask
from assay.evaluation.labels.task_formats import ENTITIES, LABEL, LABELS, LabelNames, argilla_record

if TYPE_CHECKING:
    from assay.tasks.annotation.push import AnnotationServer


def push_to_argilla(
    server: "AnnotationServer", key: str, tasks: Sequence[LabelTask], names: LabelNames, model: str
) -> str:
    """Add tasks to the data set of this name, with the proposals as suggestions, and return its address.

    Raises:
        ImportError: argilla is not installed.
    """
    import argilla

    client = argilla.Argilla(api_url=server.url, api_key=key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that there is none yet
        dataset: Any = client.datasets(server.project, workspace=server.workspace)
    if dataset is None:
        dataset = argilla.Dataset(
            server.project, workspace=server.workspace, settings=_settings(names), client=client
        ).create()
    dataset.records.log([argilla.Record.from_dict(argilla_record(task, model)) for task in tasks])
    return f"{server.url.rstrip('/')}/dataset/{dataset.id}/annotation-mode"


def _settings(names: LabelNames) -> Any:
    """Return the fields, questions and facts of a data set for these tasks."""
    import argilla

    fields = [argilla.TextField(name="text")]
    fields += [argilla.TextField(name="text_pair")] if names.pair else []
    # A data set needs a question that must be answered. No entity is an answer in Argilla, and no label is none.
    questions: list[Any] = []
    if names.classes:
        questions.append(argilla.LabelQuestion(name=LABEL, labels=names.classes))
    if names.row_labels:
        questions.append(argilla.MultiLabelQuestion(name=LABELS, labels=names.row_labels, required=False))
    if names.entity_types:
        is_only = not names.classes
        questions.append(argilla.SpanQuestion(name=ENTITIES, field="text", labels=names.entity_types, required=is_only))
    if not any(question.required for question in questions):
        title = "Reviewed (choose no label above if none applies)"
        questions.append(argilla.LabelQuestion(name=REVIEW, title=title, labels=[REVIEWED, UNSURE]))
    facts = [argilla.TermsMetadataProperty(name=name) for name in ("row_id", "labelled", "reason")]
    return argilla.Settings(
        fields=fields, questions=questions, metadata=[*facts, argilla.FloatMetadataProperty(name="score")]
    )
