from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.sources.files import iter_rows
from assay.corpus.sources.recognition import describe_file


def test_docbin_rows_are_documents_with_entities_and_classes(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy", reason="needs spaCy: the extra spacy")
    language = spacy.blank("en")
    document = language("Acme 😀 opens in Oslo.")
    document.ents = [document.char_span(0, 4, label="ORG"), document.char_span(16, 20, label="LOC")]
    document.cats = {"bad": 0.0, "good": 1.0}
    path = tmp_path / "train.spacy"
    spacy.tokens.DocBin(docs=[document, language("Nothing.")]).to_disk(path)

    assert list(iter_rows(path)) == [
        (
            1,
            {
                "text": "Acme 😀 opens in Oslo.",
                "entities": [
                    {"start": 0, "end": 4, "label": "ORG", "text": "Acme"},
                    {"start": 16, "end": 20, "label": "LOC", "text": "Oslo"},
                ],
                "cats": {"bad": 0.0, "good": 1.0},
                "label": "good",
            },
        ),
        (2, {"text": "Nothing.", "entities": []}),
    ]


def test_docbin_rows_name_the_remedy_for_what_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "train.spacy"
    path.write_bytes(b"x\x9cno DocBin")

    assert str(describe_file(path)) == "spaCy DocBin"
    with pytest.raises(AssayError, match=r"train\.spacy (needs spaCy; run |is damaged or not a spaCy DocBin; )"):
        list(iter_rows(path))
