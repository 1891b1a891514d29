"""The virtual data set: generated parse results of news about companies, people and places.

A document is `{"_id", "source", "isRepost", "Parse": [{"Text", "Entities", "sentiment"}]}`. As in real collections,
some documents are reposts, some differ from another only in URL, case or digits, a few are broken, some labels are
wrong, and forums have more noise than other sources.
"""

import json
import random
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.word_lists import (
    COMPANY_ENDINGS,
    COMPANY_STEMS,
    CORES,
    EMOJI,
    FIRST_NAMES,
    HASHTAGS,
    LAST_NAMES,
    OPENERS,
    PLACES,
    SLANG,
    TAILS,
    VERDICTS,
)

Document = dict[str, Any]
Sentence = dict[str, Any]

SOURCES = {"newswire": 0.55, "blog": 0.3, "forum": 0.15}
TYPES = {"C": "COMPANY", "P": "PERSON", "L": "PLACE"}
REPOSTS = 0.04
NEAR_DUPLICATES = 0.05
BROKEN = 0.012
_SLOT = re.compile(r"\{([CPLN])\}")
_SENTIMENTS = tuple(CORES)
_CORES = {label: [line.strip() for line in text.strip().splitlines()] for label, text in CORES.items()}


@dataclass(frozen=True)
class Style:
    """The noise of a source: the probability of each kind, per word or per sentence."""

    typo: float
    slang: float
    lower_case: float
    emoji: float
    hashtag: float
    url: float
    html: float
    wrong_label: float
    offsets: bool = False


STYLES = {
    "newswire": Style(0.002, 0.0, 0.02, 0.0, 0.02, url=0.15, html=0.05, wrong_label=0.02),
    "blog": Style(0.01, 0.05, 0.08, 0.15, 0.2, url=0.2, html=0.1, wrong_label=0.025, offsets=True),
    "forum": Style(0.09, 0.4, 0.7, 0.3, 0.2, url=0.1, html=0.02, wrong_label=0.05),
}


def virtual_documents(count: int, seed: int) -> Iterator[Document]:
    """Generate documents with about two sentences each; the first documents do not depend on the count."""
    draw = random.Random(seed)
    recent: deque[Document] = deque(maxlen=50)
    for number in range(count):
        document = _document(draw, recent)
        recent.append(document)
        document = {"_id": f"{seed}-{number:06d}", **document}
        yield _break(draw, document) if draw.random() < BROKEN else document


def _document(draw: random.Random, recent: deque[Document]) -> Document:
    kind = draw.random()
    if recent and kind < REPOSTS:
        return {**draw.choice(recent), "isRepost": True}
    if recent and kind < REPOSTS + NEAR_DUPLICATES:
        copied = draw.choice(recent)
        return {**copied, "Parse": [_near_duplicate(draw, sentence) for sentence in copied["Parse"]]}
    source = draw.choices(list(SOURCES), weights=list(SOURCES.values()))[0]
    sentences = [_sentence(draw, STYLES[source]) for _ in range(draw.choice((1, 2, 2, 3)))]
    return {"source": source, "isRepost": draw.choice((None, False)), "Parse": sentences}


def _sentence(draw: random.Random, style: Style) -> Sentence:
    label = draw.choices(_SENTIMENTS, weights=(4, 3, 4))[0]
    template = _template(draw, label)
    lower = draw.random() < style.lower_case
    pieces = [_noisy_words(draw, part.lower() if lower else part, style) for part in _SLOT.split(template)[0::2]]
    names: dict[str, str] = {}
    filled = pieces[0] if lower else pieces[0][:1].upper() + pieces[0][1:]
    for slot, after in zip(_SLOT.findall(template), pieces[1:], strict=True):
        name = _fill(draw, slot, names)
        name = name.lower() if lower else name
        if slot in TYPES:
            names[name] = TYPES[slot]
        filled += name + after
    text = _decorate(draw, filled.replace(" ,", ",").replace(" :", ":"), label, style)
    wrong = draw.random() < style.wrong_label
    return {
        "Text": text,
        "Entities": _entities(text, names, offsets=style.offsets),
        "sentiment": draw.choice(_SENTIMENTS) if wrong else label,
    }


def _template(draw: random.Random, label: str) -> str:
    parts = [draw.choice(_CORES[label])]
    if draw.random() < 0.3:
        parts.insert(0, draw.choice(OPENERS[label]))
    if draw.random() < 0.4:
        parts.append(draw.choice(TAILS))
    if draw.random() < 0.35:
        parts.append(", " + draw.choice(VERDICTS[label]))
    return " ".join(parts)


def _fill(draw: random.Random, slot: str, used: dict[str, str]) -> str:
    """Return a name that neither contains nor is contained in another name of the sentence."""
    while True:
        name = _NAMES[slot](draw)
        lower = name.lower()
        if slot == "N" or not any(lower in used_name.lower() or used_name.lower() in lower for used_name in used):
            return name


def _company(draw: random.Random) -> str:
    return f"{draw.choice(COMPANY_STEMS)} {draw.choice(COMPANY_ENDINGS)}".strip()


def _person(draw: random.Random) -> str:
    last = draw.choice(LAST_NAMES)
    return draw.choice((f"{draw.choice(FIRST_NAMES)} {last}",) * 3 + (f"Ms {last}", f"{last}"))


_NAMES: dict[str, Callable[[random.Random], str]] = {
    "C": _company,
    "P": _person,
    "L": lambda draw: draw.choice(PLACES),
    "N": lambda draw: str(draw.randint(2, 90)),
}


def _noisy_words(draw: random.Random, text: str, style: Style) -> str:
    words = []
    for word in text.split(" "):
        if draw.random() < style.slang:
            word = SLANG.get(word, word)
        if len(word) > 3 and draw.random() < style.typo:
            at = draw.randrange(len(word) - 1)
            word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        words.append(word)
    return " ".join(words)


def _decorate(draw: random.Random, text: str, label: str, style: Style) -> str:
    """Add leftover HTML, and after the text a hashtag, an emoji (not always a suitable one) and a URL."""
    if draw.random() < style.html:
        text = draw.choice((f"<p>{text}</p>", f"{text}<br/>", f"&nbsp;{text}"))
    if draw.random() < style.hashtag:
        text += " " + draw.choice(HASHTAGS)
    if draw.random() < style.emoji:
        text += " " + draw.choice(EMOJI[label if draw.random() < 0.6 else draw.choice(_SENTIMENTS)])
    return f"{text} {_url(draw)}" if draw.random() < style.url else text


def _url(draw: random.Random) -> str:
    return f"https://t.example/{draw.getrandbits(32):08x}"


def _entities(text: str, names: dict[str, str], *, offsets: bool) -> list[Document]:
    """Return entities by name, as most parsers do, or with the offsets of the first occurrence."""
    entities: list[Document] = [{"EntityName": name, "type": label} for name, label in names.items()]
    if offsets:
        for entity in entities:
            start = text.index(entity["EntityName"])
            entity.update(start=start, end=start + len(entity["EntityName"]))
    return entities


def _near_duplicate(draw: random.Random, sentence: Sentence) -> Sentence:
    """Return the sentence with another URL, other digits or another case."""
    text = re.sub(r" https://\S+", "", sentence["Text"])
    names = {entity["EntityName"]: entity["type"] for entity in sentence["Entities"]}
    change = draw.choice(("url", "digits", "case"))
    if change == "url":
        text += " " + _url(draw)
    elif change == "digits":
        text = re.sub(r"\d", lambda _: str(draw.randint(1, 9)), text)
    else:
        text, names = text.upper(), {name.upper(): label for name, label in names.items()}
    return {**sentence, "Text": text, "Entities": _entities(text, names, offsets=False)}


def _break(draw: random.Random, document: Document) -> Document:
    """Break a document in one of the ways seen in stored documents."""
    sentence, *rest = document["Parse"]
    damaged: Any = draw.choice(
        (
            {**sentence, "Text": None},
            {**sentence, "Text": 17.5},
            {key: value for key, value in sentence.items() if key != "Text"},
            {**sentence, "sentiment": None},
            {**sentence, "Entities": [*sentence["Entities"], {"EntityName": "Nowhere Corp", "type": "COMPANY"}]},
            "not a sentence",
            None,
        )
    )
    if damaged is None:
        return {**document, "Parse": draw.choice(("Parse failed", None, {"error": "timeout"}))}
    return {**document, "Parse": [damaged, *rest]}


def main() -> None:
    """Write generated documents as JSON lines: `python -m demo.virtual 1500 parses.jsonl`."""
    count, path = int(sys.argv[1]), Path(sys.argv[2])
    lines = (json.dumps(document, ensure_ascii=False) + "\n" for document in virtual_documents(count, seed=7))
    path.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
