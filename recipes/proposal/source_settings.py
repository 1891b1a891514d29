"""Keys of the source section that the user sets before there is a recipe: how files and values are read."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.errors import AssayError
from assay.recipes.loader import apply_overrides
from assay.recipes.recipe_faults import fault_lines
from assay.recipes.source_section import FilesSource

READING = ("file", "filter", "limit")  # keys that decide which rows there are
MEANING = ("entity", "tagging", "annotations", "label_map", "fold_labels", "no_label", "label_separator")
_PATHS = {"data": "all"}  # any: only the other keys are checked


def source_settings(overrides: Sequence[str]) -> dict[str, Any]:
    """Return the keys of the source section that overrides such as `source.file.encoding=latin-1` set.

    Raises:
        AssayError: a key is of another section or is decided by the data, or a value is wrong.
    """
    values: dict[str, Any] = {}
    apply_overrides(values, overrides)
    given = values.pop("source", {})
    settings = given if isinstance(given, Mapping) else {}
    other = [*values, *(f"source.{key}" for key in settings if key not in (*READING, *MEANING))]
    if other or not isinstance(given, Mapping):
        raise AssayError(
            f"--set {(other or ['source'])[0]}: assay init takes only {', '.join(READING + MEANING)} of source; name "
            "fields with --text, --label and so on, and change other keys in the recipe that it writes"
        )
    section = {"kind": "files", "paths": _PATHS, **settings}
    try:
        FilesSource.model_validate(section)
    except ValidationError as error:
        raise AssayError(f"--set: {'; '.join(fault_lines(error, FilesSource, section, 'source'))}") from error
    return dict(settings)


def with_settings(layout: Mapping[str, Any], settings: Mapping[str, Any]) -> DocumentFormat:
    """Return the document format that was found, where the user's keys take precedence."""
    own = {key: settings[key] for key in MEANING if key in settings}
    return DocumentFormat.model_validate(_merged(layout, own))


def _merged(values: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    both = {key: values[key] for key in values.keys() & more.keys() if isinstance(more[key], Mapping)}
    return {**values, **more, **{key: _merged(inner, more[key]) for key, inner in both.items()}}
