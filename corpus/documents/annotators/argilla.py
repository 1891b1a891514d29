"""Records of Argilla: version 2 (`to_list`, nested or flat), feedback data sets of version 1, and its older records."""

from collections.abc import Callable, Mapping
from typing import Any

from assay.corpus.documents.annotators.annotated_row import (
    AnnotatedRow,
    Annotation,
    Needs,
    Values,
    agreed,
    only_name,
    several_labels,
    single_class,
)
from assay.corpus.documents.values import MISSING, get_path

FLAT = ".responses"
Responses = dict[str, list[Any]]  # question -> submitted values


def is_argilla(document: Values) -> bool:
    """Return whether a document has the structure of a record."""
    if isinstance(document.get("fields"), Mapping):
        return isinstance(document.get("responses"), Mapping | list)
    old = {"annotation", "annotation_agent", "status"} <= document.keys()
    return old or any(name.endswith(FLAT) for name in document) or bool(_questions_in_columns(document))


def read_argilla(document: Values, needs: Needs) -> AnnotatedRow | None:
    """Return the row of a record; None if nobody has submitted a response. Suggestions are not read.

    Raises:
        UnreadableError: responses disagree, or a text has several classes.
    """
    if "annotation_agent" in document:
        return _old_row(document, needs)
    responses = {name: values for name, values in submitted_responses(document).items() if values}
    if not responses:
        return None
    fields = document.get("fields")
    text = get_path(fields, needs.fields.text) if isinstance(fields, Mapping) else MISSING
    return AnnotatedRow(
        get_path(document, needs.fields.text) if text is MISSING else text,
        _class(responses, needs) if needs.label else MISSING,
        _entities(responses, needs) if needs.entities else MISSING,
        _labels(responses, needs) if needs.labels else MISSING,
    )


def submitted_responses(document: Values) -> Responses:
    """Return the submitted responses to each question."""
    responses = document.get("responses")
    if isinstance(responses, list):  # of the server: one object per user, with the values of all questions
        questions: Responses = {}
        for user in responses:
            for name, value in (user.get("values") or {}).items() if _is_submitted(user.get("status")) else ():
                if value is not None:  # Arrow names the questions that the user left open, too
                    questions.setdefault(name, []).append(value["value"] if isinstance(value, Mapping) else value)
        return questions
    columns = responses if isinstance(responses, Mapping) else _questions_in_columns(document)
    if columns:
        return {name: _submitted(values) for name, values in columns.items() if isinstance(values, list)}
    return {
        name.removesuffix(FLAT): [
            value
            for value, status in zip(values, document.get(f"{name}.status") or [None] * len(values), strict=False)
            if _is_submitted(status)
        ]
        for name, values in document.items()
        if name.endswith(FLAT) and isinstance(values, list)
    }


def _questions_in_columns(document: Values) -> Values:
    """Return the columns of version 1: a list of objects with value, user and status, also as an object of lists.

    A list without a response is known by the column of suggestions beside it.
    """
    columns = {name: _as_objects(values) for name, values in document.items()}
    return {
        name: values
        for name, values in columns.items()
        if isinstance(values, list)
        and (values or f"{name}-suggestion" in document)
        and all(isinstance(item, Mapping) and {"value", "user_id"} <= item.keys() for item in values)
    }


def _as_objects(values: Any) -> Any:
    if isinstance(values, Mapping) and {"value", "user_id"} <= values.keys() and isinstance(values["value"], list):
        return [dict(zip(values, items, strict=False)) for items in zip(*values.values(), strict=False)]
    return values


def _submitted(values: list[Any]) -> list[Any]:
    return [item["value"] for item in values if _is_submitted(item.get("status"))]


def _is_submitted(status: Any) -> bool:
    return status in (None, "submitted")


def _class(responses: Responses, needs: Needs) -> Any:
    names = [
        name
        for name, values in responses.items()
        if not any(map(_is_spans, values)) and any(value != [] for value in values)
    ]
    name = only_name(names, needs.fields.label, "text has several classifications")
    if name not in responses:
        return MISSING
    value = agreed([Annotation(value) for value in responses[name]], needs.rules)
    return single_class(value) if isinstance(value, list) else value


def _labels(responses: Responses, needs: Needs) -> Any:
    """Return the chosen labels. A question that may be left open has no response where nobody chose a label."""
    name = only_name(_names(responses, _is_labels), needs.labels_field, "text has several classifications")
    if name is None:
        return MISSING
    if name not in responses:
        return []
    return agreed([Annotation(_chosen(value)) for value in responses[name]], needs.rules)


def _chosen(value: Any) -> Any:
    return several_labels(value) if isinstance(value, list) else value


def _entities(responses: Responses, needs: Needs) -> Any:
    name = only_name(_names(responses, _is_spans), needs.fields.entities, "text has several kinds of spans")
    if name not in responses:
        return MISSING
    # People mark the same spans in different orders.
    return agreed([Annotation(_sorted(value)) for value in responses[name]], needs.rules)


def _sorted(spans: Any) -> Any:
    return sorted(spans, key=repr) if isinstance(spans, list) else spans


def _names(responses: Responses, fits: Callable[[Any], bool]) -> list[str]:
    """Return the questions with lists of a kind; without any, one whose lists are all empty, which may be of any."""
    names = [name for name, values in responses.items() if any(map(fits, values))]
    return names or [name for name, values in responses.items() if all(value == [] for value in values)][:1]


def _is_labels(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _is_spans(value: Any) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) and "start" in item for item in value)
    )


def _old_row(document: Values, needs: Needs) -> AnnotatedRow | None:
    """Return the row of a record of version 1, whose annotation is validated."""
    annotation: Any = document.get("annotation")
    if document.get("status") != "Validated":
        return None
    inputs = document.get("inputs")
    text = get_path(document, needs.fields.text)
    if text in (MISSING, None) and isinstance(inputs, Mapping):
        text = get_path(inputs, needs.fields.text)
    is_list = isinstance(annotation, list)
    return AnnotatedRow(
        text,
        single_class(annotation) if needs.label and is_list else annotation,
        [_old_span(item) for item in annotation] if needs.entities and is_list else annotation,
        several_labels(annotation) if needs.labels and is_list else annotation,
    )


def _old_span(item: Any) -> Any:
    """Return a span of version 1 as an object; `to_pandas` writes (label, start, end)."""
    match item:
        case [str() as label, int() as start, int() as end]:
            return {"start": start, "end": end, "label": label}
    return item
