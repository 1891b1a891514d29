"""Tasks as annotation tools import them, with what the model proposes and the reason.

A proposal must not come back as a person's decision where nobody has looked. Label Studio, Prodigy and Argilla keep
proposals apart from what was submitted. A table has empty columns for the decision, and no spreadsheet takes its texts
for formulas. doccano cannot tell the two apart, so its documents hold the present labels and their digest, and the
proposal stands beside them.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args
from xml.sax.saxutils import quoteattr

from pydantic import BaseModel, ConfigDict

from assay.corpus.documents.annotators.decisions import (
    LABELS_DIGEST,
    NEW_ENTITIES,
    NEW_LABEL,
    NEW_LABELS,
    PROPOSAL,
    ROW_ID,
)
from assay.corpus.documents.annotators.formula_cells import as_text_cell
from assay.corpus.documents.offset_units import from_characters
from assay.corpus.entity import Entity
from assay.corpus.errors import AssayError
from assay.corpus.returned_parts import Parts
from assay.corpus.storage.atomic import atomic_path
from assay.evaluation.labels.label_issue import LabelTask, described

TaskFormat = Literal["label-studio", "doccano", "prodigy", "argilla", "csv"]
TASK_FORMATS: tuple[TaskFormat, ...] = get_args(TaskFormat)
LABEL, LABELS, ENTITIES = "label", "labels", "entities"
# Tools that keep one list of classes per text.
_ONE_LIST = ("doccano", "prodigy")
Record = dict[str, Any]


class LabelNames(BaseModel):
    """The classes and entity types of a model; its heads have them or not."""

    model_config = ConfigDict(frozen=True)

    classes: list[str]
    entity_types: list[str]
    pair: bool = False
    row_labels: list[str] = []


def write_tasks(
    tasks: Sequence[LabelTask], path: Path, task_format: TaskFormat, names: LabelNames, model: str
) -> list[Path]:
    """Write tasks in their order, and beside those for Label Studio the interface that shows them.

    Args:
        tasks: the tasks.
        path: the file.
        task_format: the tool that is to read it.
        names: classes and entity types of the model.
        model: address of the model that made the proposals.

    Returns:
        The written files.

    Raises:
        AssayError: the model has classes and labels, of which the tool can keep one kind.
    """
    if names.row_labels and names.classes and task_format in _ONE_LIST:
        raise AssayError(
            f"--format {task_format}: it keeps one list of classes per text, and {model} has a class and several "
            "labels; use --format label-studio, argilla or csv"
        )
    files = {path: _WRITERS[task_format](tasks, names, model)}
    if task_format == "label-studio":
        files[path.with_name(f"{path.stem}-interface.xml")] = label_studio_config(names)
    for file, content in files.items():
        with atomic_path(file) as partial:
            # newline="": csv ends its lines itself
            partial.write_text(content, encoding="utf-8", newline="")
    return list(files)


def label_studio_task(task: LabelTask, model: str) -> Record:
    """Return a task of Label Studio with a prediction; its offsets count units of UTF-16, as in a browser."""
    results: list[Record] = []
    if task.proposed_label is not None:
        results.append(_choices(LABEL, [task.proposed_label]))
    if task.proposed_labels:
        results.append(_choices(LABELS, task.proposed_labels))
    for number, entity in enumerate(task.proposed_entities or ()):
        start, end = (from_characters(task.text, offset, "utf16") for offset in (entity.start, entity.end))
        value = {"start": start, "end": end, "text": task.text[entity.start : entity.end], "labels": [entity.label]}
        results.append({"id": f"e{number}", "from_name": ENTITIES, "to_name": "text", "type": "labels", "value": value})
    return {
        "data": {"text": task.text, **_pair(task), **_facts(task)},
        "predictions": [{"model_version": model, "score": round(task.score, 4), "result": results}],
    }


def _choices(control: str, names: Sequence[str]) -> Record:
    return {"from_name": control, "to_name": "text", "type": "choices", "value": {"choices": list(names)}}


def doccano_document(task: LabelTask) -> Record:
    """Return a document of doccano with the labels of the row, and the proposal among its metadata."""
    has_classes = task.proposed_label is not None or task.proposed_labels is not None
    classes = list(task.labels or ()) if task.label is None else [task.label]
    spans = _triples(task.entities or ())
    if task.proposed_entities is None:
        labels: Record = {LABEL: classes}
    else:
        labels = {"entities": spans, "cats": classes} if has_classes else {LABEL: spans}
    digest = Parts(task.label, task.labels, task.entities).digest
    return {
        "text": task.text,
        **labels,
        **_pair(task),
        **_facts(task),
        PROPOSAL: _proposal(task),
        LABELS_DIGEST: digest,
    }


def prodigy_task(task: LabelTask, names: LabelNames) -> Record:
    """Return a task of Prodigy: the proposed classes are chosen among the options, the proposed entities are marked."""
    record: Record = {"text": task.text, **_pair(task), ROW_ID: task.id}
    if task.proposed_label is not None:
        record |= {"options": _options(names.classes), "accept": [task.proposed_label]}
    if task.proposed_labels is not None:
        record |= {"options": _options(names.row_labels), "accept": list(task.proposed_labels)}
        record["config"] = {"choice_style": "multiple"}
    if task.proposed_entities is not None:
        record["spans"] = [_object(entity) for entity in task.proposed_entities]
    return record | {"meta": {"labelled": _labelled(task), "reason": task.reason, "score": round(task.score, 3)}}


def _options(names: Sequence[str]) -> list[Record]:
    return [{"id": name, "text": name} for name in names]


def argilla_record(task: LabelTask, model: str) -> Record:
    """Return a record of Argilla 2 with suggestions, as its `records.to_json` writes it."""
    suggestions: Record = {}
    score = round(task.score, 4)
    if task.proposed_label is not None:
        suggestions[LABEL] = {"value": task.proposed_label, "score": score, "agent": model}
    if task.proposed_labels:
        suggestions[LABELS] = {"value": list(task.proposed_labels), "score": None, "agent": model}
    if task.proposed_entities is not None:
        spans = [_object(entity) for entity in task.proposed_entities]
        suggestions[ENTITIES] = {"value": spans, "score": None, "agent": model}
    return {
        "id": task.id,
        "fields": {"text": task.text, **_pair(task)},
        "metadata": _facts(task),
        "suggestions": suggestions,
        "responses": {},
        "vectors": {},
    }


def table_row(task: LabelTask) -> dict[str, str]:
    """Return a row of a table, in which a person fills in `new_label`, `new_labels` or `new_entities`."""
    return {
        ROW_ID: task.id,
        "reason": task.reason,
        "score": f"{task.score:.3f}",
        "text": task.text,
        **_pair(task),
        **({} if task.proposed_label is None else {LABEL: task.label or "", "proposed_label": task.proposed_label}),
        **({} if task.proposed_label is None else {NEW_LABEL: ""}),
        **({} if task.proposed_labels is None else _label_cells(task)),
        **({} if task.proposed_entities is None else _entity_cells(task)),
        "author": "",
    }


def label_studio_config(names: LabelNames) -> str:
    """Return the labelling interface that the tasks for Label Studio need."""
    lines = ["<View>", '  <Header value="$reason"/>', '  <Text name="text" value="$text"/>']
    lines += ['  <Text name="text_pair" value="$text_pair"/>'] if names.pair else []
    if names.entity_types:
        types = [f"    <Label value={quoteattr(name)}/>" for name in names.entity_types]
        lines += [f'  <Labels name="{ENTITIES}" toName="text">', *types, "  </Labels>"]
    if names.classes:
        classes = [f"    <Choice value={quoteattr(name)}/>" for name in names.classes]
        lines += [f'  <Choices name="{LABEL}" toName="text" choice="single">', *classes, "  </Choices>"]
    if names.row_labels:
        labels = [f"    <Choice value={quoteattr(name)}/>" for name in names.row_labels]
        lines += [f'  <Choices name="{LABELS}" toName="text" choice="multiple">', *labels, "  </Choices>"]
    return "\n".join([*lines, "</View>"]) + "\n"


def _facts(task: LabelTask) -> Record:
    """Return what stands beside the text for the person, and the id of the row."""
    return {ROW_ID: task.id, "labelled": _labelled(task), "reason": task.reason, "score": round(task.score, 4)}


def _labelled(task: LabelTask) -> str:
    """Return the labels of a row as a line of text."""
    parts = [task.label or "", "" if task.labels is None else ", ".join(task.labels) or "no label"]
    parts += ["" if task.entities is None else described(task.text, task.entities) or "no entity"]
    return "; ".join(part for part in parts if part) or "not labelled"


def _proposal(task: LabelTask) -> str:
    labels, entities = task.proposed_labels, task.proposed_entities
    parts = [task.proposed_label or "", "" if labels is None else ", ".join(labels) or "no label"]
    parts += ["" if entities is None else described(task.text, entities) or "no entity"]
    return "; ".join(part for part in parts if part)


def _pair(task: LabelTask) -> dict[str, str]:
    return {} if task.text_pair is None else {"text_pair": task.text_pair}


def _label_cells(task: LabelTask) -> dict[str, str]:
    given = "" if task.labels is None else json.dumps(task.labels, ensure_ascii=False)
    return {LABELS: given, "proposed_labels": json.dumps(task.proposed_labels, ensure_ascii=False), NEW_LABELS: ""}


def _entity_cells(task: LabelTask) -> dict[str, str]:
    def cell(entities: Sequence[Entity] | None) -> str:
        return "" if entities is None else json.dumps(_triples(entities), ensure_ascii=False)

    return {ENTITIES: cell(task.entities), "proposed_entities": cell(task.proposed_entities), NEW_ENTITIES: ""}


def _triples(entities: Sequence[Entity]) -> list[list[Any]]:
    return [[entity.start, entity.end, entity.label] for entity in entities]


def _object(entity: Entity) -> Record:
    return {"start": entity.start, "end": entity.end, "label": entity.label}


def _json(records: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(records, ensure_ascii=False, indent=1) + "\n"


def _lines(records: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _table(tasks: Sequence[LabelTask]) -> str:
    rows = [table_row(task) for task in tasks]
    names = dict.fromkeys(name for row in rows for name in row)
    file = io.StringIO()
    writer = csv.DictWriter(file, list(names) or [ROW_ID], restval="")
    writer.writeheader()
    writer.writerows({name: as_text_cell(text) for name, text in row.items()} for row in rows)
    return file.getvalue()


_WRITERS: Mapping[TaskFormat, Callable[[Sequence[LabelTask], LabelNames, str], str]] = {
    "label-studio": lambda tasks, _, model: _json([label_studio_task(task, model) for task in tasks]),
    "doccano": lambda tasks, *_: _lines([doccano_document(task) for task in tasks]),
    "prodigy": lambda tasks, names, _: _lines([prodigy_task(task, names) for task in tasks]),
    "argilla": lambda tasks, _, model: _json([argilla_record(task, model) for task in tasks]),
    "csv": lambda tasks, *_: _table(tasks),
}
