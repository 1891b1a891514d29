"""Keys of the source section that the user sets before there is a recipe: how files and values are read."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.errors import AssayError
from assay.recipes.loader import apply_overrides
from assay.recipes.recipe_faults import fault_lines
from assay.recipes.source_section import FilesSource, HubSource, MongoSource, SourceBase

READING = ("file", "filter", "limit", "max_reject_share")  # keys that decide which rows there are
MEANING = ("format", "entity", "tagging", "annotations", "label_map", "fold_labels", "no_label", "label_separator")
# Keys inside a section whose other keys the options of the command name.
INNER: Mapping[str, tuple[str, ...]] = {"fields": ("id", "time", "tokens"), "parse": ("sentences", "repost")}
# By kind of source, its model, and any values of the keys that it needs: only the other keys are checked.
_MODELS: Mapping[str, tuple[type[SourceBase], Mapping[str, Any]]] = {
    "files": (FilesSource, {"paths": {"data": "all"}}),
    "hub": (HubSource, {"path": ".", "revision": "commit"}),
    "mongo": (MongoSource, {"database": "database", "collection": "collection"}),
}


def source_settings(overrides: Sequence[str]) -> dict[str, Any]:
    """Return the keys of the source section that overrides such as `source.file.encoding=latin-1` set.

    Raises:
        AssayError: a key is of another section or is decided by the data.
    """
    values: dict[str, Any] = {}
    apply_overrides(values, overrides)
    given = values.pop("source", {})
    settings = given if isinstance(given, Mapping) else {}
    other = [*values, *(f"source.{key}" for key in _other_keys(settings))]
    if other or not isinstance(given, Mapping):
        inner = [f"{section}.{key}" for section, keys in INNER.items() for key in keys]
        raise AssayError(
            f"--set {(other or ['source'])[0]}: assay init takes only {', '.join([*READING, *MEANING, *inner])} of "
            "source; name fields with --text, --label and so on, and change other keys in the recipe that it writes"
        )
    return dict(settings)


def _other_keys(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys that the command does not take."""
    for key, value in settings.items():
        if key not in INNER:
            yield from () if key in (*READING, *MEANING) else (key,)
        elif not isinstance(value, Mapping):
            yield key
        else:
            yield from (f"{key}.{name}" for name in value if name not in INNER[key])


def set_field(settings: Mapping[str, Any], section: str, name: str) -> str | None:
    """Return the name of a field that the user sets in `source.fields` or `source.parse`; None without one."""
    value: str | None = settings.get(section, {}).get(name)
    return value


def check_settings(kind: str, settings: Mapping[str, Any]) -> None:
    """Refuse keys that a kind of source lacks, and wrong values.

    Raises:
        AssayError: there is one.
    """
    model, needed = _MODELS[kind]
    section = {"kind": kind, **needed, **settings}
    try:
        model.model_validate(section)
    except ValidationError as error:
        raise AssayError(f"--set: {'; '.join(fault_lines(error, model, section, 'source'))}") from error


def with_settings(layout: Mapping[str, Any], settings: Mapping[str, Any]) -> DocumentFormat:
    """Return the document format that was found, where the user's keys take precedence."""
    own = {key: settings[key] for key in (*MEANING, *INNER) if key in settings}
    return DocumentFormat.model_validate(_merged(layout, own))


def _merged(values: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    both = {key: values[key] for key in values.keys() & more.keys() if isinstance(more[key], Mapping)}
    return {**values, **more, **{key: _merged(inner, more[key]) for key, inner in both.items()}}
