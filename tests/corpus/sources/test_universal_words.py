from pathlib import Path

import pytest

from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.documents.remedies import GENERAL, remedy_of
from assay.corpus.errors import AssayError
from assay.corpus.example import Entity
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import iter_rows, read_files
from assay.corpus.sources.lines import Row
from assay.corpus.sources.recognition import describe_file

# As UD_German-GSD writes it, with NER in the last column; an empty node as in enhanced dependencies.
GERMAN = (
    """# global.columns = ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC
# newdoc id = reise
# newpar
# sent_id = s1
# text = Anna fährt zum Bodensee.
1 Anna Anna PROPN NE _ 2 nsubj _ NER=B-PER
2 fährt fahren VERB VVFIN _ 0 root _ _
2.1 fährt fahren VERB VVFIN _ _ _ 2:conj _
3-4 zum _ _ _ _ _ _ _ _
3 zu zu ADP APPR _ 5 case _ _
4 dem der DET ART _ 5 det _ _
5 Bodensee Bodensee PROPN NE _ 2 obl _ NER=B-LOC|SpaceAfter=No
6 . . PUNCT $. _ 2 punct _ _

# newdoc id = heimkehr
# sent_id = s2
1-2 Vom _ _ _ _ _ _ _ SpaceAfter=No
1 Von von ADP APPR _ 3 case _ NER=O
2 dem der DET ART _ 3 det _ NER=B-ORG
3 -Rat Rat NOUN NN _ 0 root _ NER=I-ORG
""".replace(" ", "\t")
    .replace("#\t", "# ")
    .replace("\t=\t", " = ")
    .replace("newdoc\tid", "newdoc id")
)
GERMAN = GERMAN.replace("Anna\tfährt\tzum\tBodensee.", "Anna fährt zum Bodensee.")


def write(tmp_path: Path, text: str = GERMAN) -> Path:
    path = tmp_path / "de.conllu"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_sentences_of_conll_u_have_tokens_of_the_text(tmp_path: Path, line_end: str) -> None:
    path = write(tmp_path, GERMAN.replace("\n", line_end))

    assert str(describe_file(path)) == "CoNLL-U, tags by NER= in the last column, groups by # newdoc"
    [(_, first), (_, second)] = iter_rows(path)
    assert isinstance(first, dict)
    assert {name: first[name] for name in ("sent_id", "text", "document")} == {
        "sent_id": "s1", "text": "Anna fährt zum Bodensee.", "document": "reise",
    }  # fmt: skip
    assert first["tokens"] == ["Anna", "fährt", "zum", "Bodensee", "."]
    assert first["tags"] == ["B-PER", "O", "O", "B-LOC", "O"]
    assert second == {
        "sent_id": "s2",
        "document": "heimkehr",
        "tokens": ["Vom", "-Rat"],
        "tags": ["B-ORG", "I-ORG"],
        "space_after": ["No", "Yes"],
    }


def test_a_word_without_number_rejects_its_sentence(tmp_path: Path) -> None:
    [(_, first), (_, second)] = iter_rows(write(tmp_path, GERMAN.replace("\n5\t", "\nfive\t")))

    assert isinstance(first, InvalidRow)
    assert (first.id, first.reason) == ("de.conllu:6", "not the number of a word: 'five' in line 12")
    assert remedy_of(first.reason) != GENERAL
    assert isinstance(second, dict)


def test_spaces_are_those_of_the_text(tmp_path: Path) -> None:
    document_format = DocumentFormat.model_validate(
        {"format": "tokens", "fields": {"id": "sent_id"}, "tagging": {"space_after": "space_after"}}
    )
    reader = DocumentReader(document_format, needs_label=False, needs_entities=True)

    documents = [one for one in read_files({write(tmp_path): "all"}) if isinstance(one, Document)]
    rows = [row for document in documents for row in reader.read(document)[0]]

    assert [(row.id, row.text, row.group) for row in rows] == [
        ("s1", "Anna fährt zum Bodensee.", "de:reise"),
        ("s2", "Vom-Rat", "de:heimkehr"),
    ]
    assert [row.entities for row in rows] == [(Entity(0, 4, "PER"), Entity(15, 23, "LOC")), (Entity(0, 7, "ORG"),)]


def test_the_attribute_of_the_tags_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, GERMAN.replace("NER=", "Entity="))

    [(_, first), _] = iter_rows(path, FileSettings(tag_attribute="Entity"))

    assert isinstance(first, dict)
    assert first["tags"] == ["B-PER", "O", "O", "B-LOC", "O"]
    with pytest.raises(AssayError, match="without NER= in its last column, which holds Entity, SpaceAfter; name"):
        describe_file(path)


def sentence_of(tmp_path: Path, *words: str) -> Row | InvalidRow:
    """Return the row of a sentence of numbered words, such as `1 EU`; the first word has a tag."""
    lines = [word.replace(" ", "\t") + "\t_" * 7 + "\t_" for word in words]
    lines[0] = lines[0][:-1] + "NER=B-ORG"
    [(_, row)] = iter_rows(write(tmp_path, "\n".join(lines) + "\n"))
    return row


def test_words_may_be_numbered_from_0(tmp_path: Path) -> None:
    row = sentence_of(tmp_path, "0 EU", "1-2 zum", "1 zu", "2 dem", "3 See")
    assert row == {"tokens": ["EU", "zum", "See"], "tags": ["B-ORG", "O", "O"], "space_after": ["Yes"] * 3}
    ranged = sentence_of(tmp_path, "0-1 zum", "0 zu", "1 dem", "1.1 x", "2 See")
    assert isinstance(ranged, dict)
    assert ranged["tokens"] == ["zum", "See"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["1 EU", "2 so", "1 So", "2 EU"], "number of a word repeats or falls: '1' (So)"),  # no blank line
        (["1 EU", "1 EU"], "number of a word repeats or falls: '1' (EU)"),
        (["1-2 zum", "1 zu", "2 dem", "2-3 am", "3 an"], "number of a word repeats or falls: '2-3' (am)"),
        (["1-3 zum", "1 zu", "2-3 am", "2 an", "3 dem"], "number of a word repeats or falls: '2-3' (am)"),
        (["2-1 zum", "1 zu", "2 dem"], "number of a word repeats or falls: '2-1' (zum)"),
        (["1-9 zum", "1 zu", "2 dem", "3 Haus", "4 See"], "words of a token are missing: '1-9' without word 9"),
        (["1-2 zum", "1 zu", "3 Haus"], "words of a token are missing: '1-2' without word 2"),
    ],
)
def test_numbers_that_repeat_or_overlap_reject_their_sentence(tmp_path: Path, words: list[str], reason: str) -> None:
    row = sentence_of(tmp_path, *words)

    assert isinstance(row, InvalidRow)
    assert row.reason == reason
    assert remedy_of(reason) != GENERAL
