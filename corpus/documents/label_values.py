"""Labels as the source settings name them: renamed, folded, or left out since they mean none."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from assay.corpus.documents.annotators.annotated_row import single_class
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.values import MISSING, UnreadableError, class_label, column, folded, whole_number
from assay.corpus.documents.written_lists import written_list

T = TypeVar("T")


class NoLabelError(Exception):
    """Error for a class or labels that mean that a row has none."""


class LabelValues:
    """Reader of single labels, by `label_map`, `fold_labels` and `no_label` of the source."""

    def __init__(
        self,
        document_format: DocumentFormat,
        used: set[str] | None = None,
        *,
        renamed: bool = False,
        tool: str | None = None,
    ) -> None:
        """Take the settings of the source.

        Args:
            document_format: format of the documents.
            used: receives the keys of the label map that match a label.
            renamed: labels may have been chosen among the new names of the label map, which are then read as they are.
            tool: format of the documents that hold the labels; None: that of the source.
        """
        self._names = document_format.label_map
        self._fold = document_format.fold_labels
        self._used: set[str] = set() if used is None else used
        self._renamed = renamed
        self._none = {self._as_compared(text) for text in document_format.no_label}
        # Numbers of labels in doccano count the labels of all its projects: as names they say nothing.
        self._numbers_need_names = (tool or document_format.format) == "doccano"

    def read(self, value: Any, name: str) -> str:
        """Return the label in a value; `name` is that of its field.

        Raises:
            UnreadableError: the value is no label.
        """
        if self._numbers_need_names and whole_number(value) is not None:
            return self.read_number(value, name)
        if self._renamed and (given := class_label(value, name, {})) in self._names.values():
            return given
        label = class_label(value, name, self._names, self._used)
        if self._fold and label not in self._names.values():
            label = class_label(folded(label), name, self._names, self._used)
        return label

    def read_number(self, value: Any, name: str) -> str:
        """Return the name of a label that is given by its number; `name` is that of its field.

        Raises:
            UnreadableError: `label_map` names no such number.
        """
        number = str(whole_number(value))
        if self._names.keys().isdisjoint((number, f"{number}.0")):
            raise UnreadableError(f"{name} is a number without a name", value)
        return class_label(value, name, self._names, self._used)

    def read_class(self, value: Any, name: str) -> str:
        """Return the class in a value, or in a list of one; `name` is that of its field.

        Raises:
            NoLabelError: the value is one of `no_label`, or empty where the source has any.
            UnreadableError: the value is no class, nor a list of one.
        """
        if isinstance(value, str) and value.startswith("["):
            items = written_list(value)
            value = value if items is None else items
        if isinstance(value, list | tuple):
            value = single_class(value) if value else ""
        if self._none and value is not MISSING and column(value, name) is None:
            raise NoLabelError
        self.check_left_out(value, name)
        return self.read(value, name)

    def read_each(self, values: Iterable[Any], name: str) -> tuple[str, ...]:
        """Return the labels in the values of a list, sorted and each once; `name` is that of its field.

        Raises:
            NoLabelError: one of them is one of `no_label`.
            UnreadableError: one of them is no label.
        """
        items = list(values)
        for item in items:
            self.check_left_out(item, name)
        return tuple(sorted({self.read(item, name) for item in items}))

    def check_left_out(self, value: Any, name: str) -> None:
        """Check that a value is none of `no_label`; `name` is that of its field.

        Raises:
            NoLabelError: it is.
        """
        if not self._none or value is MISSING or isinstance(value, list | tuple | Mapping):
            return
        text = column(value, name)
        if text is None or (self._renamed and text in self._names.values()):
            return
        if self._as_compared(text) in self._none:
            raise NoLabelError

    def _as_compared(self, text: str) -> str:
        return folded(text) if self._fold else text


def read_if_any(read: Callable[[Any, str], T], value: Any, name: str) -> T | None:
    """Return what a reader of labels makes of a value; None where that means that there are none."""
    try:
        return read(value, name)
    except NoLabelError:
        return None
