"""Labels as the source settings name them: renamed, folded, or left out since they mean none."""

from typing import Any

from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.values import class_label, folded


class LabelValues:
    """Reader of single labels, by `label_map`, `fold_labels` and `no_label` of the source."""

    def __init__(self, document_format: DocumentFormat, used: set[str]) -> None:
        """Take the format of the documents; `used` receives the keys of its label map that match a label."""
        self._names = document_format.label_map
        self._fold = document_format.fold_labels
        self._used = used
        self._none = {self._as_compared(text) for text in document_format.no_label}

    def read(self, value: Any, name: str) -> str:
        """Return the label in a value; `name` is that of its field.

        Raises:
            UnreadableError: the value is no label.
        """
        label = class_label(value, name, self._names, self._used)
        if self._fold and label not in self._names.values():
            label = class_label(folded(label), name, self._names, self._used)
        return label

    def means_none(self, text: str) -> bool:
        """Return whether the text is one of `no_label`."""
        return bool(self._none) and self._as_compared(text) in self._none

    def _as_compared(self, text: str) -> str:
        return folded(text) if self._fold else text
