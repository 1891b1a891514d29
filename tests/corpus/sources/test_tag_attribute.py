import gzip
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import iter_rows
from assay.corpus.sources.recognition import describe_file
from assay.corpus.sources.text_stream import BLOCK

SENTENCE = "# sent_id = s\n1-2\tzum\t_\t_\t_\t_\t_\t_\t_\t_\n1\tzu\tzu\tADP\t_\t_\t0\tr\t_\t_\n"
SENTENCE += "2\tdem\tder\tDET\t_\t_\t0\tr\t_\tMISC\n\n"


def sentence(misc: str = "_") -> str:
    return SENTENCE.replace("MISC", misc)


@pytest.mark.parametrize("attribute", ["NER", "ner"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_first_tag_may_stand_far_below(tmp_path: Path, attribute: str, suffix: str) -> None:
    path, count = tmp_path / f"de.conllu{suffix}", BLOCK // len(sentence()) + 9
    content = (sentence() * count + sentence(f"{attribute}=B-LOC")).encode()
    path.write_bytes(gzip.compress(content) if suffix else content)

    assert str(describe_file(path)).startswith(f"CoNLL-U, tags by {attribute}= in the last column")
    tags = [row["tags"] for _, row in iter_rows(path) if isinstance(row, dict)]
    assert tags == [["O"]] * count + [["B-LOC"]]


def test_a_file_without_entities_is_read_by_the_attribute_that_the_user_names(tmp_path: Path) -> None:
    path = tmp_path / "dev.conllu"
    path.write_text(sentence())

    with pytest.raises(AssayError, match=r"set source\.file\.tag_attribute to NER if the file is one without entities"):
        describe_file(path)
    [(_, row)] = iter_rows(path, FileSettings(tag_attribute="NER"))
    assert isinstance(row, dict)
    assert (row["tokens"], row["tags"]) == (["zum"], ["O"])


@pytest.mark.parametrize("named", ["Ner", "NERs", "NRE"])
def test_an_attribute_that_is_nearly_one_of_the_file_is_refused(tmp_path: Path, named: str) -> None:
    path = tmp_path / "de.conllu"
    path.write_text(sentence("start_char=4|end_char=7") + sentence("NER=B-LOC|SpaceAfter=No"))
    with pytest.raises(AssayError, match=rf"tag_attribute is '{named}', .* of the file; did you mean 'NER'\?"):
        describe_file(path, FileSettings(tag_attribute=named))


def test_a_named_attribute_may_be_missing_beside_others(tmp_path: Path) -> None:
    path = tmp_path / "dev.conllu"
    path.write_text(sentence("start_char=4|end_char=7|Lang=de"))
    [(_, row)] = iter_rows(path, FileSettings(tag_attribute="NER"))
    assert isinstance(row, dict)
    assert row["tags"] == ["O"]


@pytest.mark.parametrize(
    ("misc", "message"),
    [
        ("_", r"de\.conllu is CoNLL-U without NER= in its last column, which holds nothing; set"),
        ("SpaceAfter=No", "which holds SpaceAfter; .*, else add NER=B-PER and the like to it"),
        ("Entity=B-ORG|SpaceAfter=No", "which holds Entity, SpaceAfter; name the attribute that holds tags such as"),
    ],
)
def test_a_file_without_tags_is_refused_with_what_it_holds(tmp_path: Path, misc: str, message: str) -> None:
    path = tmp_path / "de.conllu"
    path.write_text(sentence(misc))
    with pytest.raises(AssayError, match=message):
        describe_file(path)
