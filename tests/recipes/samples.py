"""Generate small sources in the document formats of the shipped recipes. No line of them is real."""

import json
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.mongo import Mongo

Row = dict[str, Any]
MOODS = {
    "bad": ["awful", "broken", "useless"],
    "fair": ["plain", "usual", "average"],
    "good": ["great", "lovely", "superb"],
}
NOUNS = ["radio", "table", "guitar", "window", "garden", "bottle", "letter", "engine", "carpet", "mirror"]
PLACES = ["Munich", "Berlin", "Oslo", "Lyon", "Turin", "Graz", "Basel", "Bonn"]
FIRMS = ["Acme", "Bayer", "Siemens", "Apple", "Globex", "Initech", "Umbrella", "Stark"]
TERMS = ["Fieber", "Husten", "Asthma", "Grippe", "Virus", "Tumor", "Infekt", "Therapie", "Diagnose", "Impfung"]
REVIEW_FILES = ("Digital_Music", "Gift_Cards", "Magazine_Subscriptions")


def medical_rows(draw: random.Random, count: int = 160) -> Iterator[Row]:
    """Generate annotated JSON: an annotation holds a list with one type and a list of positions with inclusive ends."""
    for number in range(count):
        first, second = draw.sample(TERMS, 2)
        text = f"Bericht {number}: {draw.choice(PLACES)} meldet {first} und danach auch {second} im Haus {number % 7}"
        yield {"content": text, "annotation": [_annotation(text, first), _annotation(text, second)]}


def _annotation(text: str, term: str) -> Row:
    start = text.index(term)
    return {"label": ["b-med"], "points": [{"text": term, "start": start, "end": start + len(term) - 1}]}


def review_rows(draw: random.Random, count: int = 150) -> Iterator[Row]:
    """Generate reviews with stars as floats and Unix time in milliseconds, as in the hub data set."""
    for _ in range(count):
        mood, stars = draw.choice([("bad", 1.0), ("fair", 3.0), ("good", 4.0), ("good", 5.0)])
        text = f"This {_words(draw)} is {draw.choice(MOODS[mood])}, <b>{draw.choice(MOODS[mood])}</b> {_words(draw)}"
        year = draw.choice([2016, 2017, 2018])
        yield {"rating": stars, "text": text, "timestamp": (year - 1970) * 31_557_600_000 + 10**9, "asin": "B0"}


def tweet_rows(draw: random.Random, count: int) -> Iterator[Row]:
    """Generate tweets with class numbers as labels."""
    for _ in range(count):
        label, mood = draw.choice(list(enumerate(MOODS)))
        text = f"${draw.choice(FIRMS)} {draw.choice(MOODS[mood])} {_words(draw)} {draw.choice(MOODS[mood])}"
        yield {"text": text, "label": label}


def question_rows(draw: random.Random, count: int) -> Iterator[Row]:
    """Generate questions with a passage and a boolean answer: whether the passage names the thing asked for."""
    for number in range(count):
        asked, other = draw.sample(NOUNS, 2)
        answer = draw.random() < 0.6
        passage = f"House {number} has a {asked if answer else other} near {draw.choice(PLACES)} {_words(draw)}"
        yield {
            "question": f"is there a {asked} {_words(draw)} in {draw.choice(PLACES)}",
            "passage": passage,
            "answer": answer,
        }


def parses(draw: random.Random, count: int = 200) -> Iterator[Row]:
    """Generate parse results: documents with two sentences each, entities by name only."""
    for number in range(count):
        yield {"_id": number, "isRepost": number % 50 == 49, "Parse": [_parse(draw), _parse(draw)]}


def _parse(draw: random.Random) -> Row:
    firm, mood = draw.choice(FIRMS), draw.choice(list(MOODS))
    words = MOODS[mood]
    text = f"{firm} is {draw.choice(words)} and {draw.choice(words)} {_words(draw)} {_words(draw)}"
    return {"Text": text, "Entities": [{"EntityName": firm}], "sentiment": mood}


def request_rows(draw: random.Random, count: int) -> Iterator[Row]:
    """Generate requests with words, BIO tags and an intent."""
    for _ in range(count):
        intent, verb = draw.choice([("Book", "book"), ("Play", "play")])
        place, words = draw.choice(PLACES), _words(draw).split()
        tags = ["O"] * (len(words) + 1) + ["B-object", "O", "B-city"]
        yield {"tokens": [verb, *words, draw.choice(NOUNS), "in", place], "tags": tags, "intent": intent}


def _words(draw: random.Random) -> str:
    return " ".join(draw.sample(NOUNS, 3))


def _write(path: Path, rows: Iterable[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def medical_ner(folder: Path, draw: random.Random) -> list[str]:
    """Write the file and return the override that names it."""
    return [f"source.paths={{{_write(folder / 'med-corpus.jsonl', medical_rows(draw))}: all}}"]


def product_reviews(folder: Path, draw: random.Random) -> list[str]:
    """Write a folder with the layout of the hub data set."""
    for name in REVIEW_FILES:
        _write(folder / "raw" / "review_categories" / f"{name}.jsonl", review_rows(draw))
    return [*_local(folder), "validation.min_class_rows=10", "tuning.trials=2"]


def financial_tweets(folder: Path, draw: random.Random) -> list[str]:
    """Write a folder of two published splits."""
    _write(folder / "train.jsonl", tweet_rows(draw, 200))
    _write(folder / "validation.jsonl", tweet_rows(draw, 60))
    return _local(folder)


def yes_no_questions(folder: Path, draw: random.Random) -> list[str]:
    """Write a folder of two published splits."""
    _write(folder / "train.jsonl", question_rows(draw, 200))
    _write(folder / "validation.jsonl", question_rows(draw, 60))
    return _local(folder)


def snips(folder: Path, draw: random.Random) -> list[str]:
    """Write three published splits."""
    sizes = {"train": 200, "validation": 60, "test": 60}
    files = {
        split_name: _write(folder / f"{split_name}.jsonl", request_rows(draw, size))
        for split_name, size in sizes.items()
    }
    paths = ", ".join(f"{path}: {split_name}" for split_name, path in files.items())
    return [f"source.paths={{{paths}}}"]


def news_joint(mongo: Mongo, draw: random.Random) -> list[str]:
    """Fill a collection; its address is in the variable that the recipe names."""
    mongo.fill("parses", list(parses(draw)))
    return [f"source.database={mongo.database}"]


def _local(folder: Path) -> list[str]:
    return [f"source.path={folder}", "source.revision=null"]


FILES: dict[str, Callable[[Path, random.Random], list[str]]] = {
    "financial-tweets": financial_tweets,
    "medical-ner": medical_ner,
    "product-reviews": product_reviews,
    "snips": snips,
    "yes-no-questions": yes_no_questions,
}
