"""Documents of spaCy's `.spacy` files. spaCy is imported on use."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assay.corpus.errors import AssayError
from assay.corpus.extras import install_command
from assay.corpus.sources.lines import NumberedRow, Row


def docbin_rows(path: Path) -> Iterator[NumberedRow]:
    """Yield the documents of a file, each with its number, from 1.

    A document has `text`, `entities` with start, end and label, and `cats` and `label` (the class of the highest score)
    where spaCy has stored classes.

    Raises:
        AssayError: spaCy is not installed, or the file is not one of spaCy's.
    """
    try:
        import spacy
        from spacy.tokens import DocBin
    except ImportError:
        raise AssayError(f"{path} needs spaCy; run {install_command('spacy')}, or export JSON lines") from None
    try:
        # Texts and spans need no language.
        vocabulary = spacy.blank("xx").vocab
        for number, document in enumerate(DocBin().from_disk(path).get_docs(vocabulary), start=1):
            yield number, _row(document)
    except Exception as error:  # of zlib, of msgpack and of spaCy
        raise AssayError(
            f"{path} is damaged or not a spaCy DocBin; write it again, or convert it with spacy convert"
        ) from error


def _row(document: Any) -> Row:
    entities = [
        {"start": span.start_char, "end": span.end_char, "label": span.label_, "text": span.text}
        for span in document.ents
    ]
    row: Row = {"text": document.text, "entities": entities}
    if cats := dict(document.cats):
        row |= {"cats": cats, "label": max(cats, key=lambda name: cats[name])}
    return row
