import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assay.corpus.errors import AssayError
from assay.serving.calibration import Calibration
from assay.serving.decision import Decision
from assay.serving.decoding import Floats, bio_tags
from assay.serving.encoding import EncodedText
from assay.serving.predictions import LogitsReader
from assay.serving.words import Word
from tests.decisions import a_decision

LABELS, TAGS = ["down", "up"], bio_tags(["ORG"])
# "Acme Corp grew", a token per word behind the first one
WORDS = [Word(1, 0, 4), Word(2, 5, 9), Word(3, 10, 14)]


def _encoded(words: list[Word], *rest: EncodedText, weight: int = 1, truncated: bool = False) -> EncodedText:
    ids = list(range(len(words) + 2))
    return EncodedText(ids, [0] * len(ids), words, truncated, weight, rest)


def _tokens(*tags: str, sure: float = 5.0) -> Floats:
    """Return logits of tags (words x tags)."""
    table = np.zeros((len(tags), len(TAGS)), dtype=np.float32)
    table[np.arange(len(tags)), [TAGS.index(tag) for tag in tags]] = sure
    return table


def _probability(logit: float, others: int) -> float:
    return float(np.exp(logit) / (np.exp(logit) + others))


def test_prediction_of_one_window_reads_both_heads() -> None:
    reader = LogitsReader(LABELS, TAGS, None)
    windows = [{"sentence": np.array([0.0, 2.0]), "tokens": _tokens("B-ORG", "I-ORG", "O")}]
    prediction = reader.prediction(_encoded(WORDS, truncated=True), windows)
    assert (prediction.label, prediction.truncated, prediction.windows) == ("up", True, 1)
    assert prediction.probabilities == pytest.approx((1 - _probability(2, 1), _probability(2, 1)))
    (entity,) = prediction.entities
    assert (entity.start, entity.end, entity.label) == (0, 9, "ORG")
    assert entity.score == pytest.approx(_probability(5, 2))


def test_prediction_weighs_the_windows_of_a_text_and_joins_their_words() -> None:
    reader = LogitsReader(LABELS, TAGS, None)
    later = _encoded([Word(1, 5, 9), Word(2, 10, 14)], weight=3)
    text = _encoded(WORDS[:1], later, weight=1)
    windows = [
        {"sentence": np.array([0.0, 3.0]), "tokens": _tokens("B-ORG")},
        {"sentence": np.array([3.0, 0.0]), "tokens": _tokens("I-ORG", "O")},
    ]
    prediction = reader.prediction(text, windows)
    high = _probability(3, 1)
    assert prediction.probabilities == pytest.approx(((1 - high + 3 * high) / 4, (high + 3 * (1 - high)) / 4))
    assert (prediction.label, prediction.windows) == ("down", 2)
    # an entity that begins in one window ends in the next
    assert [(entity.start, entity.end) for entity in prediction.entities] == [(0, 9)]
    # a prediction from the first window alone
    first = reader.prediction(text, windows[:1])
    assert (first.label, first.windows, [entity.end for entity in first.entities]) == ("up", 1, [4])


def test_prediction_is_calibrated_without_another_label_or_entity() -> None:
    windows = [{"sentence": np.array([0.0, 2.0]), "tokens": _tokens("B-ORG", "O", "O", sure=2)}]
    text = _encoded(WORDS)
    plain = LogitsReader(LABELS, TAGS, None).prediction(text, windows)
    calibration = Calibration(temperature=2, entity_slope=0.5, entity_offset=-1)
    flat = LogitsReader(LABELS, TAGS, None, calibration).prediction(text, windows)
    assert flat.label == plain.label
    assert flat.probabilities == pytest.approx((1 - _probability(1, 1), _probability(1, 1)))
    assert flat.entities[0].score < plain.entities[0].score
    assert sum(flat.probabilities) == pytest.approx(1)


def test_prediction_without_words_has_no_entities() -> None:
    reader = LogitsReader([], TAGS, None)
    prediction = reader.prediction(_encoded([]), [{"tokens": np.empty((0, 3), dtype=np.float32)}])
    assert (prediction.label, prediction.probabilities, prediction.entities) == (None, (), ())


def test_window_logits_select_the_first_token_of_each_word() -> None:
    logits = {"sentence": np.array([1.0, 2.0]), "tokens": np.arange(15, dtype=np.float32).reshape(5, 3)}
    both = LogitsReader(LABELS, TAGS, None).window_logits(_encoded([WORDS[2], WORDS[0]]), logits, 0)
    assert both["tokens"].tolist() == [[9, 10, 11], [3, 4, 5]]
    assert list(LogitsReader(LABELS, [], None).window_logits(_encoded(WORDS), logits, 0)) == ["sentence"]
    assert list(LogitsReader([], TAGS, None).window_logits(_encoded(WORDS), logits, 0)) == ["tokens"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("head", ["sentence", "tokens"])
def test_window_logits_name_the_row_and_the_head_that_are_not_finite(head: str, value: float) -> None:
    logits = {"sentence": np.array([1.0, 2.0]), "tokens": np.zeros((5, 3), dtype=np.float32)}
    logits[head][..., -1] = value
    message = f"row 7: the {head} logits are not finite numbers; the model is damaged, train or export it again"
    with pytest.raises(AssayError, match=message):
        LogitsReader(LABELS, TAGS, None).window_logits(_encoded(WORDS), logits, 7)


def test_window_logits_of_tokens_that_no_word_reads_may_be_anything() -> None:
    logits = {"tokens": np.full((5, 3), np.nan, dtype=np.float32)}
    logits["tokens"][1:4] = 0
    LogitsReader([], TAGS, None).window_logits(_encoded(WORDS), logits, 0)


LOGITS = st.floats(-30, 30, width=32)
CONFIDENCE = st.floats(0, 1)
NAMES = {"sentence": LABELS, "labels": ["money", "sport"], "tokens": ["ORG"]}


@st.composite
def some_decisions(draw: st.DrawFn) -> dict[str, Decision]:
    """Return decisions of some heads; a threshold of None leaves everything, and classes may have their own."""
    heads = draw(st.sets(st.sampled_from([*NAMES])))
    own = {head: draw(st.dictionaries(st.sampled_from(NAMES[head]), CONFIDENCE)) for head in heads}
    return {head: a_decision(draw(st.none() | CONFIDENCE), by_class=own[head]) for head in heads}


@given(
    arrays(np.float32, 2, elements=LOGITS),
    arrays(np.float32, 2, elements=LOGITS),
    arrays(np.float32, (3, len(TAGS)), elements=LOGITS),
    some_decisions(),
)
def test_prediction_left_to_a_person_is_the_best_guess(
    sentence: Floats, labels: Floats, tokens: Floats, decisions: dict[str, Decision]
) -> None:
    windows, text = [{"sentence": sentence, "labels": labels, "tokens": tokens}], _encoded(WORDS)
    calibration = Calibration(temperature=3, doubt=0.01, entity_slope=0.5, entity_offset=-1, entity_doubt=0.02)
    several = NAMES["labels"], [0.3, 0.7]
    decided = LogitsReader(LABELS, TAGS, None, calibration, decisions, *several).prediction(text, windows)
    plain = LogitsReader(LABELS, TAGS, None, Calibration(), {}, *several).prediction(text, windows)
    # the decision and the calibration change no class, no label and no entity
    assert decided.label == plain.label
    # the class of the greater logit, or of one so close that its probability rounds to the same
    assert plain.probabilities[LABELS.index(str(plain.label))] == max(plain.probabilities)
    assert sentence[LABELS.index(str(plain.label))] == pytest.approx(sentence.max(), abs=1e-6)
    assert [one.label for one in decided.labels] == [one.label for one in plain.labels]
    spans = [[(one.start, one.end, one.label) for one in prediction.entities] for prediction in (decided, plain)]
    assert spans[0] == spans[1]
    # and what is left is what has less confidence than the threshold of its class
    best = (str(decided.label), max(decided.probabilities), decided.label_abstained)
    parts = {
        "sentence": [best],
        "labels": [(one.label, one.score, one.abstained) for one in decided.labels],
        "tokens": [(one.label, one.score, one.abstained) for one in decided.entities],
    }
    for head, predictions in parts.items():
        for name, confidence, abstained in predictions:
            assert abstained == (head in decisions and decisions[head].abstains(name, confidence))
    assert decided.abstained == any(abstained for one in parts.values() for *_, abstained in one)
    assert not plain.abstained
