import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document
from assay.corpus.errors import AssayError
from assay.corpus.example import Entity, Example
from assay.corpus.splits import Splits
from assay.corpus.splitting.assignment import JOINS
from assay.corpus.splitting.ledger import LEDGER, ledger_path
from assay.tasks.split import PAGE, split
from tests.snapshots import make_run, spans, write_snapshot

DATA = Path(__file__).parents[3] / "shared" / "data"
WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa")


def text_of(number: int) -> str:
    """Return a unique text per number; digits would make all texts near-duplicates."""
    return " ".join(WORDS[int(digit)] for digit in f"{number:05d}")


def make_rows(count: int, start: int = 0) -> list[Example]:
    """Return rows of two classes; every fifth has an entity."""
    return [
        Example(
            id=f"r{number}",
            text=text_of(number),
            label="yes" if number % 3 else "no",
            entities=spans(text_of(number), LETTER=text_of(number).split()[-1]) if number % 5 == 0 else (),
        )
        for number in range(start, start + count)
    ]


def split_rows(tmp_path: Path, rows: Sequence[Example], key: str = "first", **parts: Any) -> Splits:
    """Split in one run of a recipe in the store `tmp_path`."""
    snapshot = write_snapshot(tmp_path / "snapshots" / key, rows)
    return Splits.load(split.fn(make_run(tmp_path, key, **parts), snapshot).path)


def published(rows: Sequence[tuple[str, str, str]]) -> list[Example]:
    """Return rows from (text, label, published split), with their position as id."""
    return [Example(f"r{i}", text, label=label, split=split_name) for i, (text, label, split_name) in enumerate(rows)]


def test_split_stratifies_labels_and_assigns_every_row(tmp_path: Path) -> None:
    rows = make_rows(500)
    splits = split_rows(tmp_path, rows)
    assert splits.manifest.counts == {"train": 400, "validation": 50, "test": 50}
    assert set(splits.split_of) == {row.id for row in rows}
    with_entity = Counter(splits.split_of[row.id] for row in rows if row.entities)
    with_no = Counter(splits.split_of[row.id] for row in rows if row.label == "no")
    assert with_entity["test"] in (9, 10, 11)
    assert with_no["test"] in (16, 17)


def test_split_keeps_near_duplicates_and_groups_together(tmp_path: Path) -> None:
    rows = make_rows(200)
    repeats = [Example(f"d{i}", f"{row.text.upper()} https://t.co/{i}", label=row.label) for i, row in enumerate(rows)]
    grouped = [
        Example(f"g{i}", text_of(1000 + i), label="yes" if i % 2 else "no", group=f"product {i // 4}")
        for i in range(200)
    ]
    splits = split_rows(tmp_path, [*rows, *repeats, *grouped])
    assert all(splits.split_of[f"r{i}"] == splits.split_of[f"d{i}"] for i in range(200))
    assert all(splits.split_of[f"g{i}"] == splits.split_of[f"g{i // 4 * 4}"] for i in range(200))


def test_split_reproduces_the_splits_from_an_earlier_ledger(tmp_path: Path) -> None:
    # given a second run, whose sides are partly those of the first one, and a third one that changed the ledger
    split_rows(tmp_path, make_rows(100), "first")
    snapshot = write_snapshot(tmp_path / "second", make_rows(200, 50))
    run = make_run(tmp_path, "second")
    then = split.fn(run, snapshot)
    split_rows(tmp_path, make_rows(300), "third", split={"seed": 99, "remember": False})
    # when the second split is made in a store that holds no more than the ledger it left
    elsewhere = ledger_path(tmp_path / "elsewhere", run.recipe.name)
    elsewhere.parent.mkdir(parents=True)
    shutil.copy(then.path / LEDGER, elsewhere)
    again = split.fn(make_run(tmp_path / "elsewhere", "again"), snapshot)
    # then
    assert Splits.load(again.path).manifest == Splits.load(then.path).manifest
    without = Splits.load(split.fn(make_run(tmp_path / "empty", "empty"), snapshot).path)
    assert without.digest != Splits.load(then.path).digest


def test_split_is_cached_in_a_run_and_repeatable_in_another(tmp_path: Path) -> None:
    rows = make_rows(100)
    snapshot = write_snapshot(tmp_path / "s", rows)
    first = split.fn(make_run(tmp_path, "a"), snapshot)
    stamp = (first.path / "step.json").stat().st_mtime_ns
    # when the run goes on, although the ledger has changed meanwhile
    again = split.fn(make_run(tmp_path, "a"), snapshot)
    other = split.fn(make_run(tmp_path, "b"), snapshot)
    # then nothing was done again, and a run of its own comes to the same sides
    assert again == first
    assert (again.path / "step.json").stat().st_mtime_ns == stamp
    assert other.path != first.path
    assert Splits.load(other.path).digest == Splits.load(first.path).digest


def test_split_moves_no_row_when_rows_are_added(tmp_path: Path) -> None:
    before = split_rows(tmp_path, make_rows(300), "monday")
    after = split_rows(tmp_path, make_rows(330), "tuesday")
    assert {row: after.split_of[row] for row in before.split_of} == before.split_of
    assert after.manifest.counts == {"train": 264, "validation": 33, "test": 33}
    assert after.manifest.ledger == before.manifest.ledger
    assert after.manifest.seen_in_training == 0


def test_split_keeps_previous_assignments_after_a_change_of_seed_and_shares(tmp_path: Path) -> None:
    rows = make_rows(100)
    before = split_rows(tmp_path, rows, "a")
    changed = {"seed": 99, "train": 0.5, "validation": 0.25, "test": 0.25}
    assert split_rows(tmp_path, rows, "b", split=changed).split_of == before.split_of


def test_split_counts_test_rows_seen_in_training_without_remember(tmp_path: Path) -> None:
    rows = make_rows(300)
    before = split_rows(tmp_path, rows, "a")
    after = split_rows(tmp_path, rows, "b", split={"seed": 99, "remember": False})
    seen = sum(after.split_of[row] == "test" and before.split_of[row] == "train" for row in before.split_of)
    assert seen > 0
    assert after.manifest.seen_in_training == seen


def test_split_assigns_a_near_duplicate_to_the_split_of_the_first(tmp_path: Path) -> None:
    rows = make_rows(100)
    before = split_rows(tmp_path, rows, "a")
    # given repeats of every row, and the rows themselves gone from the source
    repeats = [Example(f"new{i}", f"{row.text.title()}  https://t.co/x", label=row.label) for i, row in enumerate(rows)]
    after = split_rows(tmp_path, repeats, "b")
    assert [after.split_of[f"new{i}"] for i in range(100)] == [before.split_of[f"r{i}"] for i in range(100)]


def test_split_assigns_a_new_row_to_the_split_of_its_group(tmp_path: Path) -> None:
    grouped = [Example(f"g{i}", text_of(i), label="yes" if i % 2 else "no", group=f"p{i // 2}") for i in range(100)]
    before = split_rows(tmp_path, grouped, "a")
    late = [Example(f"l{i}", text_of(500 + i), label="yes" if i % 2 else "no", group=f"p{i}") for i in range(50)]
    after = split_rows(tmp_path, late, "b")
    assert [after.split_of[f"l{i}"] for i in range(50)] == [before.split_of[f"g{2 * i}"] for i in range(50)]


def test_split_excludes_a_new_row_that_joins_two_splits(tmp_path: Path) -> None:
    grouped = [Example(f"g{i}", text_of(i), label="yes" if i % 2 else "no", group=f"p{i}") for i in range(100)]
    before = split_rows(tmp_path, grouped, "a")
    train, test = (
        next(row for row in grouped if before.split_of[row.id] == split_name) for split_name in ("train", "test")
    )
    # given a row with the text of a training row, in the group of a test row
    bridge = Example("bridge", train.text.upper(), label="yes", group=test.group)
    after = split_rows(tmp_path, [*grouped, bridge], "b")
    assert "bridge" not in after.split_of
    assert after.split_of == before.split_of
    assert after.manifest.excluded == {"joins several previous assignments": 1}
    # and so it is the next time
    assert split_rows(tmp_path, [*grouped, bridge], "c").split_of == before.split_of


def test_split_by_time_trains_on_the_oldest_rows_and_excludes_repeated_texts_from_test(tmp_path: Path) -> None:
    rows = [
        Example(f"r{i}", text_of(i), label="yes" if i % 2 else "no", time=f"2024-01-01T{i // 60:02d}:{i % 60:02d}:00Z")
        for i in range(100)
    ]
    repeat = Example("repeat", text_of(0).upper(), label="no", time="2024-12-31")
    fields = {"label": "label", "time": "time"}
    source = {"kind": "files", "paths": {"rows.jsonl": "all"}, "fields": fields}
    splits = split_rows(tmp_path, [repeat, *reversed(rows)], source=source, split={"method": "time"})
    order = ["train", "validation", "test"]
    assert [splits.split_of[f"r{i}"] for i in range(100)] == sorted(
        (splits.split_of[f"r{i}"] for i in range(100)), key=order.index
    )
    assert splits.split_of["repeat"] == "train"
    assert splits.manifest.counts == {"train": 81, "validation": 10, "test": 10}


@pytest.mark.parametrize("time", [None, "yesterday"])
def test_split_by_time_names_a_row_without_a_time(tmp_path: Path, time: str | None) -> None:
    rows = [*make_rows(20), Example("late", "some text", label="yes", time=time)]
    rows = [row if row.id == "late" else Example(row.id, row.text, label=row.label, time="2024-01-01") for row in rows]
    source = {"kind": "files", "paths": {"r": "all"}, "fields": {"label": "label", "time": "at"}}
    with pytest.raises(AssayError, match=rf"row late: source\.fields\.time holds {time!r}.*; correct the row"):
        split_rows(tmp_path, rows, source=source, split={"method": "time"})


def test_split_keeps_published_splits_and_excludes_duplicates_of_held_out_rows(tmp_path: Path) -> None:
    rows = published(
        [
            ("alpha", "a", "train"),
            ("omega", "b", "train"),
            ("beta", "b", "train"),
            ("BETA ", "b", "validation"),
            ("gamma", "a", "train"),
            ("Gamma", "a", "validation"),
            ("gamma https://x.y", "a", "test"),
            ("delta", "b", "test"),
        ]
    )
    splits = split_rows(tmp_path, rows, split={"method": "published"})
    assert splits.split_of == {"r0": "train", "r1": "train", "r3": "validation", "r6": "test", "r7": "test"}
    assert splits.manifest.excluded == {"duplicate of a test row": 2, "duplicate of a validation row": 1}


def test_split_draws_validation_from_train_if_two_splits_are_published(tmp_path: Path) -> None:
    train = [(text_of(i), "yes" if i % 2 else "no", "train") for i in range(180)]
    held = [(text_of(500 + i), "yes" if i % 2 else "no", "validation") for i in range(20)]
    repeats = [(text_of(i).upper(), "yes" if i % 2 else "no", "train") for i in range(90)]
    rows = published([*train, *held, *repeats])
    splits = split_rows(tmp_path, rows, split={"method": "published"})
    # then all published validation rows test, and a ninth of the others validates, repeats beside their originals
    assert all(splits.split_of[f"r{180 + i}"] == "test" for i in range(20))
    assert splits.manifest.counts == {"train": 240, "validation": 30, "test": 20}
    assert all(splits.split_of[f"r{i}"] == splits.split_of[f"r{200 + i}"] for i in range(90))


@pytest.mark.parametrize(
    ("split_of", "message"),
    [
        (["train", None], r"row r1: its published split is None.*choose split\.method: stratified"),
        (["train", "all"], "row r1: its published split is 'all'"),
        (["train", "train"], r"publishes only train.*leave out source\.limit if it is set"),
        (["validation", "test"], r"publishes only validation, test"),
    ],
)
def test_split_published_requires_published_splits(tmp_path: Path, split_of: list[str | None], message: str) -> None:
    rows = [Example(f"r{i}", text_of(i), label=str(i % 2), split=split_name) for i, split_name in enumerate(split_of)]
    with pytest.raises(AssayError, match=message):
        split_rows(tmp_path, rows, split={"method": "published"})


def test_split_names_a_published_label_missing_in_train(tmp_path: Path) -> None:
    rows = published(
        [("alpha", "a", "train"), ("beta", "b", "train"), ("gamma", "rare", "validation"), ("delta", "a", "test")]
    )
    with pytest.raises(AssayError, match="label 'rare' is in 1 validation and 0 test rows, but in no training row"):
        split_rows(tmp_path, rows, split={"method": "published"})
    counted = split_rows(
        tmp_path, rows, "counted", split={"method": "published"}, validation={"unseen_labels": "count_as_missed"}
    )
    assert counted.manifest.counts == {"train": 2, "validation": 1, "test": 1}


@pytest.mark.parametrize(
    ("method", "fields"),
    [("stratified", {}), ("stratified", {"group": "group"}), ("time", {"time": "time"}), ("published", {})],
    ids=["stratified", "group", "time", "published"],
)
def test_split_warns_of_a_label_that_no_training_row_has_however_it_splits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, method: str, fields: dict[str, str]
) -> None:
    # given rows of which a split has chosen test rows: by chance, as groups, as the newest, or as published
    rows = make_rows(100)
    if "group" in fields:
        rows = [replace(row, group=f"g{number // 5}") for number, row in enumerate(rows)]
    if "time" in fields:
        rows = [replace(row, time=f"2026-01-01T00:00:00.{number:03}Z") for number, row in enumerate(rows)]
    if method == "published":
        names = ["train"] * 80 + ["validation"] * 10 + ["test"] * 10
        rows = [replace(row, split=name) for row, name in zip(rows, names, strict=True)]
    source = {"kind": "files", "paths": {"rows.jsonl": "all"}, "fields": {"label": "label", **fields}}
    parts: dict[str, Any] = {"split": {"method": method}, "source": source}
    before = split_rows(tmp_path, rows, **parts)
    tested = [row for row in rows if before.split_of[row.id] == "test"][:2]
    # when two of them have a class that no other row has
    changed = [replace(row, label="odd") if row in tested else row for row in rows]
    with pytest.raises(AssayError, match="label 'odd' is in 0 validation and 2 test rows, but in no training row"):
        split_rows(tmp_path, changed, "refused", **parts)
    after = split_rows(tmp_path, changed, "odd", validation={"unseen_labels": "count_as_missed"}, **parts)
    # then the warning names it, its rows and their split
    [warning] = [line for line in after.manifest.warnings if "no training row" in line]
    assert warning.startswith("no training row has the class 'odd' (2 test rows), so the model misses it")
    assert f"split: {warning}" in caplog.text


def test_split_ignores_missing_entity_types_without_a_token_head(tmp_path: Path) -> None:
    rows = [
        Example("a", "alpha", label="x", entities=(Entity(0, 5, "CITY"),), split="train"),
        Example("b", "beta", label="y", entities=(), split="train"),
        Example("c", "gamma", label="x", entities=(Entity(0, 5, "DRUG"),), split="validation"),
        Example("d", "delta", label="x", entities=(Entity(0, 5, "CITY"),), split="test"),
    ]
    parts = {"split": {"method": "published"}}
    assert split_rows(tmp_path, rows, "sentence", **parts).manifest.counts["train"] == 2
    tokens = {"model": {"scratch": {}, "heads": ["tokens"]}, "gate": {"min_f1": {"tokens": 0.5}}}
    with pytest.raises(AssayError, match="entity type 'DRUG' is in 1 validation and 0 test rows"):
        split_rows(tmp_path, rows, "tokens", **parts, **tokens)


def test_split_stratified_ignores_the_published_column(tmp_path: Path) -> None:
    rows = published([(text_of(i), str(i % 2), "train") for i in range(50)])
    assert split_rows(tmp_path, rows).manifest.counts == {"train": 40, "validation": 5, "test": 5}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "the snapshot holds no rows"),
        (
            [Example(str(i), text_of(i), label="same") for i in range(9)],
            r"source\.fields\.label .* only the class 'same'",
        ),
        ([Example(str(i), text_of(i)) for i in range(9)], "the rows hold no class"),
        (
            [Example(str(i), f"one text {i}", label=str(i % 2)) for i in range(9)],
            "9 rows in 1 group of near-duplicates",
        ),
        ([Example(str(i), text_of(i), label=str(i % 2)) for i in range(2)], r"split leaves no validation rows"),
    ],
)
def test_split_reports_too_few_rows_in_one_line(tmp_path: Path, rows: list[Example], message: str) -> None:
    with pytest.raises(AssayError, match=message) as caught:
        split_rows(tmp_path, rows)
    assert "\n" not in str(caught.value)
    # and nothing half-written is found later
    assert not list((tmp_path / "runs").rglob("step.json"))


def test_split_leaves_the_ledger_unchanged_on_failure(tmp_path: Path) -> None:
    split_rows(tmp_path, make_rows(50), "a")
    ledger = tmp_path / "ledger" / "tiny.parquet"
    before = ledger.read_bytes()
    # given rows of which none may be placed: all have the text of one training row
    with pytest.raises(AssayError):
        split_rows(tmp_path, [Example(str(i), f"one {i}", label=str(i % 2)) for i in range(5)], "b")
    assert ledger.read_bytes() == before


def test_split_page_shows_splits_labels_and_excluded_rows(tmp_path: Path) -> None:
    rows = published([(text_of(i), str(i % 2), "train" if i < 80 else "test") for i in range(100)])
    rows.append(Example("again", rows[90].text, label="1", split="train"))
    snapshot = write_snapshot(tmp_path / "s", rows)
    folder = split.fn(make_run(tmp_path, split={"method": "published"}), snapshot).path
    page = (folder / PAGE).read_text(encoding="utf-8")
    assert "| test | 20 | 20.0% |" in page
    assert "| excluded: duplicate of a test row | 1 | |" in page
    assert "| sentence | 0 | 50 |" in page


def read_documents(documents: int, **fields: str) -> tuple[dict[str, Any], list[Example]]:
    """Return a source of the format `parse`, and its rows from documents with six sentences each."""
    source = {"kind": "files", "paths": {"rows.jsonl": "all"}, "format": "parse", "fields": fields}
    reader = DocumentReader(
        DocumentFormat.model_validate({"format": "parse", "fields": fields}), needs_label=True, needs_entities=False
    )
    found: list[Example] = []
    for number in range(documents):
        sentences = [{"Text": text_of(6 * number + n), "sentiment": "yes" if n % 2 else "no"} for n in range(6)]
        values = {"Parse": sentences, "_id": f"id {number}", "author": f"author {number // 3}"}
        found += reader.read(Document(f"rows:{number}", values))[0]
    return source, found


@pytest.mark.parametrize("fields", [{}, {"id": "_id"}, {"id": "_id", "group": "author"}], ids=str)
@pytest.mark.parametrize("method", ["stratified", "published"])
def test_split_keeps_sentences_of_a_document_together(tmp_path: Path, fields: dict[str, str], method: str) -> None:
    source, rows = read_documents(60, **fields)
    # given a publisher who parted the sentences
    rows = [replace(row, split="test" if number % 41 == 0 else "train") for number, row in enumerate(rows)]
    splits = split_rows(tmp_path, rows, source=source, split={"method": method})
    for key in ({row.id.rpartition("#")[0] for row in rows}, {row.group for row in rows}):
        for name in key:
            members = [row.id for row in rows if name in (row.group, row.id.rpartition("#")[0])]
            assert len({splits.split_of[row] for row in members if row in splits.split_of}) <= 1
    expected = set() if method == "stratified" else {"in the group of a test row"}
    assert set(splits.manifest.excluded) == expected


def test_split_compares_cleaned_texts_for_near_duplicates(tmp_path: Path) -> None:
    rows = make_rows(200)
    variants = [
        Example(f"v{number}", text, label=row.label)
        for number, row in enumerate(rows)
        for text in [row.text.replace(" ", ("<br>", "&nbsp;", " \u200b", "\u00a0")[number % 4], 1)]
    ]
    model = {"scratch": {}, "heads": ["sentence"], "cleaning": {"html": True, "whitespace": True}}
    splits = split_rows(tmp_path, [*rows, *variants], model=model)
    assert [splits.split_of[f"r{number}"] for number in range(200)] == [splits.split_of[f"v{n}"] for n in range(200)]


def test_split_has_no_warning_if_shares_match(tmp_path: Path) -> None:
    assert split_rows(tmp_path, make_rows(100), "a").manifest.warnings == []
    assert split_rows(tmp_path, make_rows(110), "b").manifest.warnings == []
    assert split_rows(tmp_path, make_rows(10), "few").manifest.warnings == []


def test_split_warns_about_deviating_shares_in_log_page_and_manifest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    split_rows(tmp_path, make_rows(100), "a")
    changed = {"train": 0.5, "validation": 0.25, "test": 0.25}
    snapshot = write_snapshot(tmp_path / "b", make_rows(104))
    folder = split.fn(make_run(tmp_path, "b", split=changed), snapshot).path
    [warning] = Splits.load(folder).manifest.warnings
    assert "of the rows, and the recipe asks for 50.0%, 25.0%, 25.0%" in warning
    assert "split.remember" in warning
    assert warning in caplog.text
    assert warning in (folder / PAGE).read_text(encoding="utf-8")


def test_split_names_a_cluster_too_large_for_the_shares(tmp_path: Path) -> None:
    rows = [replace(row, group="big" if number < 60 else None) for number, row in enumerate(make_rows(100))]
    shares = {"train": 0.3, "validation": 0.3, "test": 0.4}
    [warning] = split_rows(tmp_path, rows, split=shares).manifest.warnings
    assert "the largest cluster of duplicates and groups, which stays whole, has 60 rows" in warning


@pytest.mark.parametrize(
    "name", ["[click](https://evil.example)", "<img src=x>", "**a** | `b` _c_", "https://evil.example"]
)
def test_split_page_escapes_class_names_in_warnings(tmp_path: Path, name: str) -> None:
    rows = [*make_rows(300), Example("rare", "one of its kind", label=name)]
    snapshot = write_snapshot(tmp_path / "snapshot", rows)
    folder = split.fn(make_run(tmp_path), snapshot).path
    [warning] = [line for line in Splits.load(folder).manifest.warnings if repr(name) in line]
    page = (folder / PAGE).read_text(encoding="utf-8")
    tokens = MarkdownIt("commonmark").enable("table").parse(page)
    [shown] = [token for token in tokens if token.content.startswith("**Warning**")]
    kinds = [child.type for child in shown.children or ()]
    assert kinds.count("strong_open") == 1
    assert not {"link_open", "image", "html_inline", "code_inline", "em_open"} & set(kinds)
    text = "".join(child.content for child in shown.children or ())
    assert text == f"Warning: {warning}"


def test_split_warns_about_a_class_without_test_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        *(replace(row, label="rare") if number < 2 else row for number, row in enumerate(make_rows(100))),
        Example("one", "a text of its own", label="yes", entities=(Entity(0, 1, "ONCE"),)),
    ]
    rows = [replace(row, split="test" if number in range(80, 100) else "train") for number, row in enumerate(rows)]
    both = {"scratch": {}, "heads": ["sentence", "tokens"]}
    gate = {"min_f1": {"sentence": 0.5, "tokens": 0.5}}
    for key, parts in (("published", {"split": {"method": "published"}}), ("stratified", {})):
        warnings = split_rows(tmp_path / key, rows, key, model=both, gate=gate, **parts).manifest.warnings
        assert [line for line in warnings if "no test row has the entity type 'ONCE'" in line]
        assert [line for line in warnings if "no test row has the class 'rare'" in line] or key == "stratified"
        assert all(warning in caplog.text for warning in warnings)
    # a head that the recipe does not train is not tested in any case
    [warning] = split_rows(tmp_path / "s", rows, split={"method": "published"}).manifest.warnings
    assert "class 'rare'" in warning


def test_split_warns_with_a_remedy_about_rows_excluded_for_a_group(tmp_path: Path) -> None:
    rows = make_rows(300)
    split_rows(tmp_path, rows, "a")
    grouped = [replace(row, group=f"g{number // 3}") for number, row in enumerate(rows)]
    manifest = split_rows(tmp_path, grouped, "b").manifest
    excluded = sum(manifest.excluded.values())
    assert excluded == 300 - sum(manifest.counts.values()) > 0
    assert manifest.seen_in_training > 0
    lines = [line for line in manifest.warnings if f"{excluded} rows of earlier runs are excluded" in line]
    assert "delete ledger/tiny.parquet" in lines[0]
    # and so it is in the next run
    again = split_rows(tmp_path, grouped, "c").manifest
    assert (again.digest, again.excluded) == (manifest.digest, manifest.excluded)
    assert (again.seen_in_training, again.warnings) == (manifest.seen_in_training, manifest.warnings)
    # when new rows of all groups come, those that are excluded beside the others are counted in the warning, too
    new = [replace(row, group=f"g{number % 100}") for number, row in enumerate(make_rows(200, start=300))]
    joined = split_rows(tmp_path, [*grouped, *new], "more").manifest
    assert joined.excluded[JOINS] > manifest.excluded.get(JOINS, 0)
    beside = sum(count for reason, count in joined.excluded.items() if reason != JOINS)
    message = f"{beside} rows of earlier runs and {joined.excluded[JOINS]} new rows are excluded"
    assert [line for line in joined.warnings if message in line]
    # when that is done, all rows are assigned anew
    ledger_path(tmp_path, "tiny").unlink()
    anew = split_rows(tmp_path, grouped, "d").manifest
    assert (sum(anew.counts.values()), anew.warnings, anew.seen_in_training) == (300, [], 0)
    assert anew.ledger != manifest.ledger


@pytest.mark.skipif(not DATA.exists(), reason="the real data sets are not beside this checkout")
def test_split_finds_known_near_duplicates_in_twitter_financial(tmp_path: Path) -> None:
    # given the published train and validation files
    rows = [
        Example(f"{split_name}{number}", row["text"], label=str(row["label"]), split=split_name)
        for split_name in ("train", "validation")
        for number, row in enumerate(read_jsonl(DATA / "twitter_financial" / f"twitter_financial_{split_name}.jsonl"))
    ]
    splits = split_rows(tmp_path, rows, split={"method": "published"})
    # then the published validation is the test, whole, and the training rows that repeat one of its texts are out
    assert splits.manifest.counts["test"] == 2388
    assert splits.manifest.excluded == {"duplicate of a test row": 81}


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_split_stores_the_cluster_of_every_row(tmp_path: Path) -> None:
    # Given 200 rows, of which r0 to r9 are of one group and r20 to r22 copies of one text,
    rows = [
        replace(row, group="g" if number < 10 else None, text=text_of(20) if 20 <= number < 23 else row.text)
        for number, row in enumerate(make_rows(200))
    ]
    splits = split_rows(tmp_path, rows)
    # then each row is in the cluster that its first row names, and all others are alone.
    assert set(splits.clusters) == set(splits.split_of)
    sizes = Counter(splits.clusters.values())
    assert (sizes["r0"], sizes["r20"], len(sizes)) == (10, 3, 200 - 9 - 2)
    assert {splits.clusters[f"r{number}"] for number in range(10)} == {"r0"}
