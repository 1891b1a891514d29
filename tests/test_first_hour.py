"""The first hour of a stranger: from a file to a served champion, in a terminal of 80 columns, without a surprise."""

import json
import random
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.mongo import Mongo
from tests.ports import free_port
from tests.terminals import CONTROL, Terminal, check_stopped, terminal

pytestmark = pytest.mark.slow  # trains three networks and starts a server

ROWS = 600
COLUMNS = 80
NOUNS = ("Lieferung", "Bestellung", "Beratung", "Verpackung", "Qualität", "Hotline", "Rücksendung", "Größe", "Kasse")
MOODS = {
    "gut": ("schön", "großartig", "günstig", "zuverlässig", "höflich"),
    "schlecht": ("kläglich", "unmöglich", "überteuert", "fürchterlich", "träge"),
}
PLACES = ("München", "Köln", "Nürnberg", "Lübeck", "Göttingen", "Zürich")
NOISE = re.compile(r"Traceback|Warning:|WARNING|\.py:\d+|DeprecationWarning|alembic", re.IGNORECASE)


def rows() -> Iterator[tuple[list[str], str, str]]:
    """Yield words, class and place of each row, in sentences of several lengths.

    The name of a place is also a family name, so that looking words up does not find the places.
    """
    draw = random.Random(7)
    for _ in range(ROWS):
        mood, (place, family) = draw.choice(list(MOODS)), draw.sample(PLACES, 2)
        opening = draw.sample(NOUNS, draw.randrange(1, 4))
        closing = draw.sample(NOUNS, draw.randrange(1, 4))
        first, second = draw.sample(MOODS[mood], 2)
        words = [*opening, "in", place, "war", first, "und", second, "sagt", "Frau", family, "zu", *closing]
        yield words, mood, place


def write_csv(folder: Path) -> None:
    lines = [f'"{" ".join(words)}; {place}";{label}' for words, label, place in rows()]
    text = "Bewertung;Stimmung\r\n" + "\r\n".join(lines) + "\r\n"
    (folder / "bewertungen.csv").write_bytes(text.encode("utf-8-sig"))


def write_tokens(folder: Path) -> None:
    tagged = [
        {"tokens": words, "tags": ["B-ORT" if word == place else "O" for word in words]} for words, _, place in rows()
    ]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in tagged)
    (folder / "orte.jsonl").write_text(text, encoding="utf-8")


def shown_by(folder: Path, *words: str, code: int = 0, **environment: str) -> str:
    """Run a command to its end and return what a person has seen, checked for noise."""
    with terminal(list(words), folder, COLUMNS=str(COLUMNS), **environment) as opened:
        assert opened.wait() == code, opened.shown
        return seen(opened)


def seen(opened: Terminal) -> str:
    """Return the text on the terminal, without what progress bars have erased."""
    shown = "\n".join(CONTROL.sub("", line).rpartition("\r")[2] for line in opened.shown.split("\n"))
    assert not NOISE.search(shown), shown
    return shown


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def champion(folder: Path) -> str:
    """Go from a stranger's CSV to a champion."""
    write_csv(folder)
    shown = shown_by(folder, "init", "bewertungen.csv")
    assert re.search(r"^classes: (gut|schlecht) 3\d\d, (gut|schlecht) 2\d\d$", shown, re.MULTILINE)
    assert re.search(r"^Bewertung +texts of \d+ characters +text", shown, re.MULTILINE)
    assert re.search(r"^Stimmung +(gut, schlecht|schlecht, gut) +class", shown, re.MULTILINE)
    assert "ready: assay run bewertungen.yaml" in shown_by(folder, "validate", "bewertungen.yaml")
    shown = shown_by(folder, "run", "bewertungen.yaml")
    assert "assay serve --model models:/bewertungen@champion" in shown
    return "models:/bewertungen@champion"


def test_first_hour_with_a_csv_of_semicolons_and_umlauts(folder: Path, champion: str) -> None:
    (folder / "neu.jsonl").write_text('{"text": "Die Hotline in Köln war großartig"}\n', encoding="utf-8")
    shown_by(folder, "predict", "--model", champion, "--input", "neu.jsonl", "--output", "antworten.jsonl")
    [answer] = map(json.loads, (folder / "antworten.jsonl").read_text(encoding="utf-8").splitlines())
    assert answer["label"] == "gut"
    assert "version none -> version 1" in shown_by(folder, "history", "bewertungen")
    assert "bewertungen" in shown_by(folder, "models")
    assert "models:/bewertungen/1 (champion): passed" in shown_by(folder, "show", "bewertungen")
    port = free_port()
    with terminal(["serve", "--model", champion, "--port", str(port)], folder, COLUMNS=str(COLUMNS)) as opened:
        opened.wait_until(lambda: responds(port))
        body = {"text": "Die Beratung war fürchterlich"}
        response = httpx.post(f"http://127.0.0.1:{port}/predict", json=body).json()
        assert "schlecht" in json.dumps(response)
        check_stopped(opened, opened.press_ctrl_c, signal.SIGINT, "requests in flight are completed")
        seen(opened)


def test_first_hour_with_words_and_tags(folder: Path) -> None:
    write_tokens(folder)
    assert "entity types: ORT 600" in shown_by(folder, "init", "orte.jsonl")
    assert "ready: assay run orte.yaml" in shown_by(folder, "validate", "orte.yaml")
    shown = shown_by(folder, "run", "orte.yaml")
    assert "assay serve --model models:/orte@champion" in shown


def test_first_hour_with_a_collection(folder: Path, mongo: Mongo) -> None:
    documents = [{"_id": row, "text": " ".join(words), "mood": label} for row, (words, label, _) in enumerate(rows())]
    mongo.fill("feedback", documents)
    address: dict[str, Any] = {"NEWS_URI": mongo.uri}
    shown = shown_by(folder, "init", f"env:NEWS_URI/{mongo.database}.feedback", **address)
    assert re.search(r"^mood +(gut, schlecht|schlecht, gut) +class", shown, re.MULTILINE)
    assert "ready: assay run feedback.yaml" in shown_by(folder, "validate", "feedback.yaml", **address)
    assert "models:/feedback@champion" in shown_by(folder, "run", "feedback.yaml", **address)


def responds(port: int) -> bool:
    """Return whether the server is ready."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/v2/health/ready").status_code == 200
    except httpx.TransportError:
        return False
