"""Records of Argilla: version 2 (`to_list`, nested or flat), feedback data sets of version 1, and its older records."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

from assay.corpus.documents.annotators.annotated_row import (
    AnnotatedRow,
    Needs,
    Values,
    only_name,
    several_labels,
    single_class,
)
from assay.corpus.documents.values import MISSING, get_path

FLAT = ".responses"


class Response(NamedTuple):
    """A submitted response to a question, and the user who gave it, if the record names one."""

    value: Any
    user: Any = None


Responses = dict[str, list[Response]]  # by question


def is_argilla(document: Values) -> bool:
    """Return whether a document has the structure of a record."""
    if isinstance(document.get("fields"), Mapping):
        return isinstance(document.get("responses"), Mapping | list)
    old = {"annotation", "annotation_agent", "status"} <= document.keys()
    return old or any(name.endswith(FLAT) for name in document) or bool(_questions_in_columns(document))


def records_of_people(record: Values) -> list[Values]:
    """Return a record as one per person who has submitted responses.

    A person who left a question open differs from nobody: the record of this person repeats the response of the one
    before, or of the first one who gave any.
    """
    responses = submitted_responses(record)
    by_question = {
        name: {_person(one, number): one for number, one in enumerate(given)} for name, given in responses.items()
    }
    people = list(dict.fromkeys(person for given in by_question.values() for person in given))
    if len(people) < 2:
        return [record]
    latest = {name: next(iter(given.values())) for name, given in by_question.items() if given}
    records: list[Values] = []
    for person in people:
        own = {name: given[person] for name, given in by_question.items() if person in given}
        user = next(iter(own.values())).user
        latest |= own
        submitted = {name: [{"value": one.value, "user_id": user}] for name, one in latest.items()}
        records.append({**record, "responses": submitted})
    return records


def _person(response: Response, number: int) -> Hashable:
    """Return who gave a response; of nobody in particular, its number."""
    return number if response.user in (None, "") else str(response.user)


def read_argilla(document: Values, needs: Needs) -> AnnotatedRow | None:
    """Return the row of one person's record (`records_of_people`); None if the person has submitted no response.

    Suggestions are not read.

    Raises:
        UnreadableError: a text has several classes.
    """
    if "annotation_agent" in document:
        return _old_row(document, needs)
    responses = {name: given[-1].value for name, given in submitted_responses(document).items() if given}
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
                    given = Response(value["value"] if isinstance(value, Mapping) else value, user.get("user_id"))
                    questions.setdefault(name, []).append(given)
        return questions
    columns = responses if isinstance(responses, Mapping) else _questions_in_columns(document)
    if columns:
        return {name: _submitted(values) for name, values in columns.items() if isinstance(values, list)}
    return {
        name.removesuffix(FLAT): [
            Response(value, user)
            for value, user, status in zip(
                values, _beside(document, name, "users"), _beside(document, name, "status"), strict=False
            )
            if _is_submitted(status)
        ]
        for name, values in document.items()
        if name.endswith(FLAT) and isinstance(values, list)
    }


def _beside(document: Values, name: str, what: str) -> list[Any]:
    """Return the users or the status of each response of a flat column, None where the record does not say it."""
    return [*(document.get(f"{name}.{what}") or ()), *[None] * len(document[name])]


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


def _submitted(values: list[Any]) -> list[Response]:
    return [Response(item["value"], item.get("user_id")) for item in values if _is_submitted(item.get("status"))]


def _is_submitted(status: Any) -> bool:
    return status in (None, "submitted")


def _class(responses: Values, needs: Needs) -> Any:
    names = [name for name, value in responses.items() if not _is_spans(value) and value != []]
    name = only_name(names, needs.fields.label, "text has several classifications")
    value = MISSING if name is None else responses.get(name, MISSING)
    return single_class(value) if isinstance(value, list) else value


def _labels(responses: Values, needs: Needs) -> Any:
    """Return the chosen labels. A question that may be left open has no response where nobody chose a label."""
    name = only_name(_names(responses, _is_labels), needs.labels_field, "text has several classifications")
    if name is None:
        return MISSING
    value = responses.get(name, [])
    return several_labels(value) if isinstance(value, list) else value


def _entities(responses: Values, needs: Needs) -> Any:
    name = only_name(_names(responses, _is_spans), needs.fields.entities, "text has several kinds of spans")
    return MISSING if name is None else responses.get(name, MISSING)


def _names(responses: Values, fits: Callable[[Any], bool]) -> list[str]:
    """Return the questions with a list of a kind; without any, one with an empty list, which may be of any."""
    names = [name for name, value in responses.items() if fits(value)]
    return names or [name for name, value in responses.items() if value == []][:1]


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
