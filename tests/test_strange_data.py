"""`assay init` on data as strangers keep them: a recipe that is ready, or one line that says what to do.

Nothing else may come out: no traceback, no line that a terminal of 80 columns cuts in a word, no word of a library.
"""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calls import call

WORDS = ("radio", "Büste", "hotel", "meal", "train", "garden", "chair", "lamp", "coat", "river", "story", "song")
LABELS = ("gut", "schlecht")
TOPICS = ("sport", "politik", "kultur")


def text(number: int) -> str:
    """A text of its own for each number."""
    good, first, second = number % 2, WORDS[number % 12], WORDS[number // 12 % 12]
    return f"A {('fine', 'poor')[good]} {first} beside {('lovely', 'broken')[good]} {second} {WORDS[number // 7 % 12]}"


def label(number: int) -> str:
    return LABELS[number % 2]


def table(header: Sequence[str], row: Callable[[int], Sequence[Any]], separator: str = ",", rows: int = 120) -> str:
    target = io.StringIO()
    writer = csv.writer(target, delimiter=separator, lineterminator="\n")
    writer.writerows([header] if header else [])
    writer.writerows(row(number) for number in range(rows))
    return target.getvalue()


def plain(header: Sequence[str] = ("text", "label"), separator: str = ",") -> str:
    return table(header, lambda number: (text(number), label(number)), separator)


def lines(document: Callable[[int], Any]) -> str:
    return "".join(json.dumps(document(number), ensure_ascii=False) + "\n" for number in range(120))


def conll(line: Callable[[str, str], str]) -> str:
    sentences = (f"{text(number)} in Ulm".split() for number in range(120))
    kinds = {"Ulm": "LOC"}
    return "\n".join("".join(line(word, kinds.get(word, "")) + "\n" for word in words) for words in sentences)


def universal(outside: str, inside: str) -> str:
    def sentence(words: list[str]) -> str:
        cells = "{}\t{}\t_\tX\t_\t_\t0\tdep\t_\t{}\n"
        return "".join(cells.format(n, word, inside if word == "Ulm" else outside) for n, word in enumerate(words, 1))

    return "\n".join(sentence(f"{text(number)} in Ulm".split()) for number in range(120))


def splits(*words: str) -> str:
    return table(("text", "label", "split"), lambda n: (text(n), label(n), words[n // 2 % len(words)]))


READY: dict[str, str | bytes] = {
    "semicolons.csv": plain(("Text", "Stimmung"), ";"),
    "tabs.csv": plain(separator="\t"),
    "pipes.txt": plain(separator="|"),
    "line ends in quotes.csv": table(("text", "label"), lambda n: (f'{text(n)} "said",\nso', label(n))),
    "mark.csv": plain().encode("utf-8-sig"),
    "utf16.csv": plain(separator=";").encode("utf-16"),
    "old-mac.csv": plain().replace("\n", "\r"),
    "sep.csv": "sep=;\n" + plain(separator=";"),
    "empty-columns.csv": table(("text", "", "label", "x"), lambda n: (text(n), "", label(n), "")),
    "index.csv": table(("", "text", "label"), lambda n: (n, text(n), label(n))),
    "numbers.csv": table(("text", "label"), lambda n: (text(n), (3, 7)[n % 2])),
    "binary.csv": table(("text", "target"), lambda n: (text(n), n % 2)),
    "stars.csv": table(("review", "stars"), lambda n: (text(n), n % 5 + 1)),
    "yes-no.csv": table(("message", "is_spam"), lambda n: (text(n), ("yes", "no")[n % 2])),
    "dates.csv": table(("date", "text", "label"), lambda n: (f"2024-05-{n % 28 + 1:02}", text(n), label(n))),
    "users.csv": table(("user_id", "text", "label"), lambda n: (f"u{n % 23}", text(n), label(n))),
    "dev.csv": splits("train", "train", "train", "dev", "test"),
    "eval.csv": splits("train", "train", "train", "eval"),
    "words.csv": splits("TRAINING", "TRAINING", "TRAINING", "VALID", "TESTING"),
    "nested.jsonl": lines(lambda n: {"doc": {"body": {"text": text(n)}}, "meta": {"label": label(n)}}),
    "array.json": json.dumps([{"text": text(n), "label": label(n)} for n in range(120)]),
    "lists.jsonl": lines(lambda n: {"text": text(n), "topics": TOPICS[n % 3 : n % 3 + 2]}),
    "written-lists.csv": table(("text", "labels"), lambda n: (text(n), str(list(TOPICS[n % 3 : n % 3 + 2])))),
    "delimited.csv": table(("text", "tags"), lambda n: (text(n), ", ".join(TOPICS[n % 3 : n % 3 + 2]))),
    "columns.csv": table(("text", *TOPICS), lambda n: (text(n), n % 2, n % 3 // 2, n % 5 // 4)),
    "two.conll": conll(lambda word, kind: f"{word} {'B-' + kind if kind else 'O'}"),
    "four.tsv": conll(lambda word, kind: f"{word}\tNN\tI-NP\t{'B-' + kind if kind else 'O'}"),
    "universal.conllu": universal("_", "NER=B-LOC"),
    "first.txt": conll(lambda word, kind: f"{'B-' + kind if kind else 'O'} {word}"),
    "packed.csv.gz": gzip.compress(plain().encode()),
    "broken-line.csv": plain() + "one, line, with, commas\n",
    "broken-line.jsonl": lines(lambda n: {"text": text(n), "label": label(n)}) + '{"text": "cut',
    "no-class.csv": table(("text", "label"), lambda n: (text(n), label(n) if n % 3 else "")),
    "Größe & Maß [1].csv": plain(("text [de]", "label (gold)")),
    "colons.csv": plain(("text: de", "label, gold")),
    "yaml.csv": table(("text", "label"), lambda n: (text(n), ("no", "null-ish")[n % 2])),
    "html.csv": table(("text", "label"), lambda n: (f"<p>{text(n)}<br>https://x.org/{n}</p>", label(n))),
    "long.csv": table(("text", "label"), lambda n: (f"{text(n)} " * 600, label(n)), rows=60),
    "spans.jsonl": lines(lambda n: {"text": f"Ulm: {text(n)}", "entities": [{"start": 0, "end": 3, "label": "LOC"}]}),
    "fast.txt": "".join(f"__label__{label(n)} {text(n)}\n" for n in range(120)),
    "fast-several.txt": "\r\n".join(
        " ".join(f"__label__{topic}" for topic in TOPICS[n % 3 : n % 3 + 2]) + f" {text(n)}" for n in range(120)
    ),
    "lists-of-one.jsonl": lines(lambda n: {"text": text(n), "topics": [label(n)]}),
    "lists.csv": table(("tokens", "tags"), lambda n: (f"Ulm {text(n)}".split(), ["B-LOC", *["O"] * 7])),
    "blanks.tsv": table(("words", "tags"), lambda n: (f"Ulm {text(n)}", "B-LOC" + " O" * 7), "\t"),
    "triples.csv": table(("text", "entities"), lambda n: (f"Ulm: {text(n)}", [(0, 3, "LOC")])),
    "triples.jsonl": lines(lambda n: {"text": f"Ulm: {text(n)}", "entities": [[0, 3, "LOC"]]}),
}
READY["few.csv"] = table(("text", "label"), lambda n: (text(n), label(n)), rows=12)
ASKS: dict[str, tuple[str | bytes, str]] = {
    "windows.csv": (plain(separator=";").encode("cp1252"), "--set source.file.encoding=VALUE"),
    "utf16-unmarked.csv": (plain().encode("utf-16-le"), "--set source.file.encoding=VALUE"),
    "twice.csv": (table(("text", "label", "label"), lambda n: (text(n), 1, 2)), "'label' more than once"),
    "headless.csv": (table((), lambda n: (text(n), label(n))), "--set 'source.file.columns={text: 1, label: 2}'"),
    "many.csv": (table(("text", "label"), lambda n: (text(n), f"c{n}")), "label holds 120 different values in 120"),
    "one-class.csv": (table(("text", "label"), lambda n: (text(n), "gut")), "add rows of another class"),
    "pairs.csv": (table(("text", "label"), lambda n: (text(n), n % 6), rows=12), "add rows, 3 for each class"),
    "fewer.csv": (table(("text", "label"), lambda n: (text(n), label(n)), rows=8), "add rows, 10 at least"),
    "minus.csv": (table(("text", "label"), lambda n: (text(n), (0, 1, -1)[n % 3])), "40 rows with -1 in label"),
    "ids.csv": (table(("nr", "text", "kind"), lambda n: (n // 4, text(n), label(n))), "--label nr or kind"),
    "urls.csv": (table(("url", "label"), lambda n: (f"https://x.org/{n}", label(n))), "--text FIELD"),
    "two-texts.csv": (table(("title", "body", "label"), lambda n: (text(n), text(n), label(n))), "--text"),
    "two-groups.csv": (
        table(("user", "thread", "text", "label"), lambda n: (f"u{n % 23}", f"t{n % 41}", text(n), label(n))),
        "--group user or thread or none",
    ),
    "odd-split.csv": (splits("train", "train", "test", "extra"), "--split none"),
    "two-lists.json": (json.dumps({"train": [{"text": "a"}], "test": [{"text": "b"}]}), "--set source.file.rows=VALUE"),
    "by-column.json": (json.dumps({"text": ["a", "b"], "label": ["x", "y"]}), "to_json(orient='records')"),
    "combined.csv": (table(("text", "label"), lambda n: (text(n), ",".join(TOPICS[n % 3 :]))), "--labels label or"),
    "missing.csv": (table(("text", "label"), lambda n: (text(n), (*LABELS, "NA")[n % 3])), "--set 'source.no_label"),
    "case.csv": (table(("text", "label"), lambda n: (text(n), (*LABELS, "GUT")[n % 3])), "source.fold_labels=true"),
    "one-column.conll": (conll(lambda word, kind: word), "write the token, a tab and the tag"),
    "untagged.conllu": (universal("_", "SpaceAfter=No"), "add NER=B-PER and the like to it"),
    "bare.txt": (conll(lambda word, kind: f"{word} {kind or 'O'}"), "--set source.tagging.scheme=VALUE"),
    "numbers.jsonl": (lines(lambda n: {"tokens": ["in", "Ulm"], "ner_tags": [0, 1]}), "--set source.tagging.names="),
    "cut.csv.gz": (gzip.compress(plain().encode())[:-200], "is damaged"),
    "empty.csv": ("", "is empty; name a file with rows"),
    "blank.csv": ("\n\n  \n", "holds only blank lines"),
    "header.csv": ("text,label\n", "there are no rows to look at"),
    "one-row.csv": ("text,label\nA fine radio in Ulm,good\n", "a model needs two"),
    "one-line.txt": ("word " * 100_000, "is of an unknown kind"),
    "strings.jsonl": (lines(text), "write one object per row"),
    "scores.csv": (table(("text", "score"), lambda n: (text(n), n / 7)), "score holds"),
    "long-labels.csv": (table(("text", "label"), lambda n: (text(n), label(n) * 20)), "more than 60 characters"),
    "text.csv": (table(("text",), lambda n: (text(n),)), "there is none beside the text"),
    "nul.csv": (plain().replace("radio", "ra\0io").encode(), "NUL"),
    "survey.csv": (
        table((*(f"how content were you with {n}" for n in range(40)), "comment"), lambda n: [*[n % 5] * 40, text(n)]),
        "and 34 more. Which is it? Add --label FIELD",
    ),
}  # fmt: skip


def output(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], list[str]]:
    """Lines of both streams, of which none may quote a library."""
    captured = capsys.readouterr()
    for word in ("Traceback", "pydantic", "Warning", "validation error", "NoneType"):
        assert word not in captured.out + captured.err
    return captured.out.splitlines(), captured.err.splitlines()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.mark.parametrize("name", READY)
def test_init_writes_a_recipe_that_is_ready(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    content = READY[name]
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    assert call(monkeypatch, "init", name, "--output", "my recipe.yaml") == 0
    shown, errors = output(capsys)
    assert errors == []
    assert max(map(len, shown)) <= 80
    assert shown[-2:] == ["next: assay validate 'my recipe.yaml'", "      assay run 'my recipe.yaml'"]
    assert call(monkeypatch, "validate", "my recipe.yaml") == 0
    report, errors = output(capsys)
    assert errors == []
    assert report[-1] == "ready: assay run 'my recipe.yaml'"
    assert max(map(len, report)) <= 80


@pytest.mark.parametrize("name", ASKS)
def test_init_says_in_one_line_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    content, remedy = ASKS[name]
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    assert call(monkeypatch, "init", name) == 1
    shown, [line] = output(capsys)
    assert shown == []
    assert re.match(r"assay: [^ ]", line)
    assert remedy in line
    assert len(line) < 700
    assert [path.name for path in folder.iterdir()] == [name]
