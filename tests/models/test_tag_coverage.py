from pathlib import Path

import pytest

from assay.corpus.example import Entity, Example
from assay.models.checkpoint import Checkpoint
from assay.models.tag_coverage import tag_coverage
from assay.models.training_loop import train
from assay.recipes.recipe import ModelSection, Scratch, Training

SCRATCH = Scratch(layers=1, hidden=32, attention_heads=2, vocabulary=100)
MODEL = ModelSection(scratch=SCRATCH, heads=["tokens"], max_length=16)
NAMES = ["Hooli", "Globex", "Initech", "Umbrella"]


def _rows(cut: int, count: int = 48) -> list[Example]:
    """Return rows whose every second entity ends `cut` characters before its word."""
    made = []
    for number in range(count):
        name = NAMES[number % len(NAMES)]
        end = 10 + len(name) - (cut if number % 2 else 0)
        made.append(Example(str(number), f"shares of {name} rose", entities=(Entity(10, end, "ORG"),)))
    return made


def test_tag_coverage_counts_recovered_entities_and_half_words() -> None:
    found = tag_coverage(_rows(cut=1), MODEL)
    assert (found.entities, found.recovered, found.half_words, found.share) == (48, 24, 24, 0.5)
    assert found.examples[0] == "row '1': ORG 'Globe' comes back as 'Globex'"
    assert tag_coverage(_rows(cut=0), MODEL).share == 1


def test_tag_coverage_of_chinese_equals_that_of_its_tokens() -> None:
    rows = [Example(str(at), f"我在北京工作，第{at}号", entities=(Entity(2, 4, "LOC"),)) for at in range(20)]
    assert tag_coverage(rows, MODEL).share == 1


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("เมื่อวานนี้นายสมชายไปเที่ยวที่กรุงเทพมหานครกับบริษัทแอปเปิล" * 3, "กรุงเทพ"),
        ("昨日トヨタ自動車の豊田さんは東京でAppleのiPhone15を買った。", "トヨタ自動車"),
        ("昨日Appleのカメラを買った", "カメラ"),
    ],
)
def test_tag_coverage_is_full_in_scripts_without_spaces(text: str, name: str) -> None:
    at = text.index(name)
    row = Example("1", text, entities=(Entity(at, at + len(name), "ORG"),))
    assert tag_coverage([row], MODEL.model_copy(update={"scratch": Scratch(vocabulary=300)})).share == 1


def test_tag_coverage_counts_an_entity_whose_word_another_entity_has() -> None:
    rows = [Example("1", "HooliGlobex", entities=(Entity(0, 5, "ORG"), Entity(5, 11, "ORG")))]
    found = tag_coverage(rows, MODEL)
    assert (found.entities, found.recovered, found.half_words) == (2, 0, 2)


@pytest.mark.usefixtures("one_thread")
def test_tag_coverage_half_words_are_trained_and_scored_alike(tmp_path: Path) -> None:
    rows = _rows(cut=1)
    train(rows, rows[:16], MODEL, Training(epochs=6, batch_size=8, learning_rate=3e-3), tmp_path)
    last = Checkpoint.load(tmp_path).history["epochs"][-1]
    assert last["tokens.f1"] == 1
