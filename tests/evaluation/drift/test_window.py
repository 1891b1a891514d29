"""Windows of files, collections and prediction logs, with and without labels."""

import json
from collections.abc import Container
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.errors import AssayError, DataError
from assay.corpus.example import Example
from assay.evaluation.drift.embedding import Embedder
from assay.evaluation.drift.reservoir import reservoir_sample
from assay.evaluation.drift.window import Window, WindowCounts, read_window
from assay.evaluation.drift.window_statistics import WindowStatistics, row_key
from assay.recipes.recipe import Recipe
from assay.serving.engine import Engine
from tests.mongo import Mongo
from tests.snapshots import recipe_values
from tests.tasks.conftest import MakeBundle


class Reading:
    """A toy champion that reads windows."""

    def __init__(self, make_bundle: MakeBundle) -> None:
        bundle = make_bundle(classes={"good": "up", "bad": "down"}, entities={"Acme": "ORG"})
        self.engine = Engine(bundle, threads=1)
        self.embedder = Embedder(bundle, self.engine)

    def window_statistics_of(
        self, address: str, max_rows: int = 1000, news_to: Container[str] = (), **options: Any
    ) -> tuple[WindowStatistics, WindowCounts]:
        fields = {"id": "id", "label": "label", "time": "at"}
        source = {"kind": "files", "paths": {"rows.jsonl": "all"}, "fields": fields, "label_map": {"1": "up"}}
        recipe = Recipe.model_validate(recipe_values(source=source, monitoring={"max_rows": max_rows}))
        return read_window(Window(address=address, **options), recipe, self.engine, self.embedder, news_to)


@pytest.fixture
def reading(make_bundle: MakeBundle) -> Reading:
    return Reading(make_bundle)


def write(path: Path, *rows: dict[str, Any] | str) -> str:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return str(path)


def test_window_counts_unlabelled_and_unreadable_rows(reading: Reading, tmp_path: Path) -> None:
    good, bare = {"id": "a", "text": "good Acme", "label": "1"}, {"id": "b", "text": "bad"}

    statistics, counts = reading.window_statistics_of(write(tmp_path / "in.jsonl", good, bare, {"id": "c"}, "{"))

    assert [(one.id, one.gold, one.predicted) for one in statistics.predictions] == [
        ("a", "up", "up"),
        ("b", None, "down"),
    ]
    assert (counts.seen, counts.unreadable) == (2, 2)
    assert "text is missing (1)" in counts.faults


def test_window_joins_late_labels_by_id(reading: Reading, tmp_path: Path) -> None:
    rows = write(tmp_path / "in.jsonl", {"id": "a", "text": "good"}, {"id": "b", "text": "bad"})
    labels = write(tmp_path / "labels.jsonl", {"id": "b", "label": "1"}, {"id": "z", "label": "down"})

    statistics, _ = reading.window_statistics_of(rows, labels=Path(labels))

    assert [one.gold for one in statistics.predictions] == [None, "up"]


def test_read_labels_names_an_unreadable_label(reading: Reading, tmp_path: Path) -> None:
    rows, labels = (
        write(tmp_path / "in.jsonl", {"id": "a", "text": "good"}),
        write(tmp_path / "l.jsonl", {"label": "1"}),
    )
    with pytest.raises(AssayError, match=r"l\.jsonl: row 1 is not a label.*id"):
        reading.window_statistics_of(rows, labels=Path(labels))


def test_window_filters_rows_by_time(reading: Reading, tmp_path: Path) -> None:
    rows = [{"id": str(day), "text": "good", "at": f"2026-11-{day:02}T08:00:00Z"} for day in range(1, 11)]
    address = write(tmp_path / "in.jsonl", *rows)

    assert len(reading.window_statistics_of(address, since="2026-11-04", until="2026-11-08")[0]) == 4
    with pytest.raises(DataError, match=r"source\.fields\.time"):
        reading.window_statistics_of(write(tmp_path / "no.jsonl", {"id": "a", "text": "good"}), since="2026-11-04")


def test_window_filters_rows_of_files_of_any_kind(reading: Reading, tmp_path: Path) -> None:
    path = tmp_path / "in.tsv"
    path.write_text("id\ttext\tlang\na\tgood\ten\nb\tbad\tde\nc\tbad\ten\n")

    assert len(reading.window_statistics_of(str(path), filter={"lang": "en"})[0]) == 2
    with pytest.raises(
        AssayError, match=r"--filter holds the operator '\$gt'; of files and hub data sets, allowed are"
    ):
        reading.window_statistics_of(str(path), filter={"lang": {"$gt": "en"}})


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        ("2026-11-04T09:00:00+01:00", "2026-11-06T08:00Z", ["4", "5"]),
        ("2026-11-04 08:00", "2026-11-06 08:00:00.000001", ["4", "5", "6"]),
        ("2026-11-04T08:00:01Z", "2026-11-06", ["5"]),
    ],
)
def test_window_normalises_its_bounds(
    reading: Reading, tmp_path: Path, since: str, until: str, days: list[str]
) -> None:
    stamps = {str(day): f"2026-11-0{day}T08:00:00" for day in range(3, 8)}
    # every other row has an offset
    rows = [{"id": day, "text": "good", "at": at + "Z" * (int(day) % 2)} for day, at in stamps.items()]

    statistics, _ = reading.window_statistics_of(write(tmp_path / "in.jsonl", *rows), since=since, until=until)

    assert [prediction.id for prediction in statistics.predictions] == days


@pytest.mark.parametrize("bound", ["yesterday", "2026-13-01", ""])
def test_window_names_a_bound_that_is_not_a_time(bound: str) -> None:
    with pytest.raises(ValueError, match=r"until is '.*', which is not an ISO 8601 time; write 2026-11-14"):
        Window(address="in.jsonl", until=bound)


def test_window_without_rows_is_an_error_with_its_reasons(reading: Reading, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no rows to compare: text is empty"):
        reading.window_statistics_of(write(tmp_path / "in.jsonl", {"id": "c", "text": ""}))
    with pytest.raises(
        DataError, match=r"source\.fields\.text is 'text', which the document does not have; did you mean"
    ):
        reading.window_statistics_of(write(tmp_path / "in.jsonl", {"id": "c", "texts": "good"}))


def test_window_reads_a_collection(reading: Reading, mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_MONGO", mongo.uri)
    day = datetime(2026, 11, 1, tzinfo=UTC)
    rows = [{"_id": number, "id": str(number), "text": "good", "lang": "de", "on": day} for number in range(20)]
    mongo.fill("texts", [*rows, {"_id": 99, "id": "99", "text": "good", "lang": "en"}])

    statistics, counts = reading.window_statistics_of(
        f"mongo:env:TEST_MONGO/{mongo.database}/texts", filter={"lang": "de"}
    )

    assert (len(statistics), counts.seen) == (20, 20)
    # as a deployment has it, which is given JSON
    dated = {"on": {"$gte": {"$date": "2026-11-01T00:00:00Z"}}}
    assert len(reading.window_statistics_of(f"mongo:env:TEST_MONGO/{mongo.database}/texts", filter=dated)[0]) == 20
    assert Window(address="mongo:", filter=dated).model_dump(mode="json")["filter"] == dated


def test_window_leaves_out_rows_of_the_snapshot_by_default(reading: Reading, tmp_path: Path) -> None:
    # given a window of a row that the snapshot holds, one whose text has changed since, and a new one
    rows = [{"id": name, "text": text} for name, text in (("a", "good"), ("b", "bad again"), ("c", "good"))]
    address = write(tmp_path / "in.jsonl", *rows)
    snapshot = {row_key(Example(id=name, text=text)) for name, text in (("a", "good"), ("b", "bad"))}

    statistics, counts = reading.window_statistics_of(address, news_to=snapshot)

    assert [prediction.id for prediction in statistics.predictions] == ["b", "c"]
    assert (counts.seen, counts.known) == (3, 1)
    everything, counts = reading.window_statistics_of(address, news_to=snapshot, known=True)
    assert (len(everything), counts.known) == (3, 0)
    nothing, counts = reading.window_statistics_of(write(tmp_path / "old.jsonl", rows[0]), news_to=snapshot)
    assert (len(nothing), counts.known) == (0, 1)


def logged(name: str, digest: str, **more: Any) -> dict[str, Any]:
    head = {"id": name, "at": "2026-11-21T08:00:00.000+00:00", "name": "toy", "version": "3", "digest": digest}
    prediction = {"characters": 4, "truncated": False, "label": "up", "confidence": 0.9}
    return {**head, **prediction, "entities": [{"start": 0, "end": 4, "label": "ORG", "score": 0.7}], **more}


def test_window_of_a_log_without_texts_has_predictions_of_this_version(reading: Reading, tmp_path: Path) -> None:
    own = reading.engine.digest
    write(tmp_path / "predictions-1.jsonl", logged("a", own), logged("b", "other"), '{"id": "c", "at')
    labels = write(tmp_path / "labels.jsonl", {"id": "a", "label": "down"})

    statistics, counts = reading.window_statistics_of(f"log:{tmp_path}", labels=Path(labels))

    [prediction] = statistics.predictions
    assert (prediction.gold, prediction.predicted, prediction.probabilities, prediction.characters) == (
        "down",
        "up",
        (0.9,),
        4,
    )
    assert (statistics.texts, counts.other_versions, counts.unreadable) == (None, 1, 1)


def test_window_of_a_log_with_texts_is_predicted_again(reading: Reading, tmp_path: Path) -> None:
    write(tmp_path / "predictions-1.jsonl", logged("a", "other", text="bad Acme"))

    statistics, _ = reading.window_statistics_of(f"log:{tmp_path}", since="2026-11-21")

    assert (statistics.predictions[0].predicted, statistics.texts) == ("down", ["bad Acme"])
    with pytest.raises(DataError, match="no rows to compare"):
        reading.window_statistics_of(f"log:{tmp_path}", since="2026-11-22")


def gold(statistics: WindowStatistics) -> list[list[tuple[int, int, str]]]:
    return [
        [(e.start, e.end, e.label) for e in prediction.gold_entities or ()] for prediction in statistics.predictions
    ]


@pytest.mark.parametrize(
    ("start", "end"), [(4, 8), (4.0, 8.0), (3, 8), (4, 9), (3, 9), (4, 6), (6, 8), (5.0, 7)], ids=str
)
@pytest.mark.parametrize("name", [7, 7.0, "7"])
def test_window_strips_late_entities_like_those_of_a_source(
    reading: Reading, tmp_path: Path, name: Any, start: float, end: float
) -> None:
    # given white space at the edges, half a word, doubles
    entity = {"start": start, "end": end, "label": "ORG"}
    labels = Path(write(tmp_path / "labels.jsonl", {"id": name, "entities": [entity]}))
    rows = write(tmp_path / "in.jsonl", {"id": 7, "text": "bad Acme good"})
    assert gold(reading.window_statistics_of(rows, labels=labels)[0]) == [[(4, 8, "ORG")]]
    for folder, digests in (("all", ["other"]), ("some", [reading.engine.digest])):
        # "some": one row has no text, so that the logged predictions count
        bare = [logged("8", reading.engine.digest)] if folder == "some" else []
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "predictions-1.jsonl", logged("7", digests[0], text="bad Acme good"), *bare)
        assert gold(reading.window_statistics_of(f"log:{tmp_path / folder}", labels=labels)[0])[0] == [(4, 8, "ORG")]


def test_window_uses_late_entities_unchanged_without_texts(reading: Reading, tmp_path: Path) -> None:
    write(tmp_path / "predictions-1.jsonl", logged("7", reading.engine.digest))
    labels = {"id": 7.0, "label": None, "entities": [{"start": 0.0, "end": 3, "label": "ORG"}]}
    statistics, _ = reading.window_statistics_of(
        f"log:{tmp_path}", labels=Path(write(tmp_path / "labels.jsonl", labels))
    )
    assert gold(statistics) == [[(0, 3, "ORG")]]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ({"id": None}, "id is null"),
        ({"id": [7]}, "id is not"),
        ({"entities": [{"start": "4", "end": 8, "label": "ORG"}]}, r"entity\.start is not a whole number: 4"),
        ({"entities": [{"start": 4, "end": 8.6, "label": "ORG"}]}, r"entity\.end is not a whole number: 8\.6"),
        ({"entities": [{"start": True, "end": 8, "label": "ORG"}]}, r"entity\.start is not a whole number: True"),
        ({"entities": [{"start": 8, "end": 4, "label": "ORG"}]}, "the entity is empty: 8:4"),
        ({"entities": [{"start": -4, "end": 4, "label": "ORG"}]}, "the entity is empty: -4:4"),
        ({"entities": [{"start": 4, "end": 8, "label": " "}]}, r"entity\.label is empty"),
        ({"entities": [{"start": 4, "end": 80, "label": "ORG"}]}, "row '7': entity 4:80 lies outside the text"),
        ({"entities": [{"start": 3, "end": 4, "label": "ORG"}]}, "row '7': entity 3:4 covers white space alone"),
    ],
    ids=str,
)
def test_read_labels_names_impossible_entities(
    reading: Reading, tmp_path: Path, label: dict[str, Any], message: str
) -> None:
    labels = Path(write(tmp_path / "labels.jsonl", {"id": 7, **label}))
    write(tmp_path / "predictions-1.jsonl", logged("7", reading.engine.digest, text="bad Acme good"))
    for address in (write(tmp_path / "in.jsonl", {"id": 7, "text": "bad Acme good"}), f"log:{tmp_path}"):
        with pytest.raises(AssayError, match=message) as caught:
            reading.window_statistics_of(address, labels=labels)
        assert "\n" not in str(caught.value)


def test_read_log_of_a_folder_without_log_is_an_error(reading: Reading, tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="assay serve --log"):
        reading.window_statistics_of(f"log:{tmp_path}")


def test_draw_is_even_and_keeps_the_order() -> None:
    drawn = [reservoir_sample(range(1000), 100, seed) for seed in range(50)]
    assert all(rows == sorted(rows) and len(set(rows)) == 100 for rows in drawn)
    mean = sum(map(sum, drawn)) / 5000
    assert 480 < mean < 520


def test_window_rows_have_their_groups(reading: Reading, tmp_path: Path) -> None:
    rows = [{"id": name, "text": "good", "product": product} for name, product in (("a", 5), ("b", 5.0), ("c", None))]
    fields = {"id": "id", "label": "label", "group": "product"}
    source = {"kind": "files", "paths": {"rows.jsonl": "all"}, "fields": fields}
    recipe = Recipe.model_validate(recipe_values(source=source))
    window = Window(address=write(tmp_path / "in.jsonl", rows[0], {**rows[1], "product": 5}, rows[2]))

    statistics, _ = read_window(window, recipe, reading.engine, reading.embedder)

    one, other, none = statistics.cluster_names
    assert one == other != none


def test_window_counts_a_text_once_that_several_people_annotated(reading: Reading, tmp_path: Path) -> None:
    shown = {"_input_hash": 1, "text": "good Acme", "answer": "accept"}
    rows = [
        {**shown, "accept": [label], "_annotator_id": person} for person, label in (("anna", "up"), ("ben", "down"))
    ]
    source = {"kind": "files", "paths": {"rows.jsonl": "all"}, "format": "prodigy"}
    recipe = Recipe.model_validate(recipe_values(source=source))
    window = Window(address=write(tmp_path / "in.jsonl", *rows))

    statistics, counts = read_window(window, recipe, reading.engine, reading.embedder)

    # They disagree, so the text has no class to compare with.
    assert ([one.gold for one in statistics.predictions], counts.seen) == ([None], 1)


@pytest.mark.parametrize(
    ("source", "rows"),
    [
        ({"fields": {"label": "label"}}, [{"text": "good Acme", "label": value} for value in ("up", "", "NA", None)]),
        ({"format": "doccano"}, [{"text": "good Acme", "label": label} for label in (["up"], [], ["NA"], [])]),
        ({"format": "parse"}, [{"Parse": [{"Text": "good", "sentiment": one} for one in ("up", "", "NA", None)]}]),
    ],
)
def test_window_keeps_rows_whose_class_means_none(
    reading: Reading, tmp_path: Path, source: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    source = {"kind": "files", "paths": {"rows.jsonl": "all"}, "no_label": ["NA"], **source}
    recipe = Recipe.model_validate(recipe_values(source=source))
    window = Window(address=write(tmp_path / "in.jsonl", *rows))

    statistics, counts = read_window(window, recipe, reading.engine, reading.embedder)

    assert [one.gold for one in statistics.predictions] == ["up", None, None, None]
    assert (counts.seen, counts.unreadable) == (4, 0)


def test_window_clusters_rows_of_one_request_or_group(reading: Reading, tmp_path: Path) -> None:
    own = reading.engine.digest
    names = ["r/0", "r/1", "s", "t"]
    labels = write(tmp_path / "labels.jsonl", *({"id": name, "group": "g"} for name in "st"))
    for folder, more in (("bare", {}), ("texts", {"text": "good"})):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "predictions-1.jsonl", *(logged(name, own, **more) for name in names))
        for own_labels, count in ((None, 3), (Path(labels), 2)):
            statistics, _ = reading.window_statistics_of(f"log:{tmp_path / folder}", labels=own_labels)
            assert len(set(statistics.cluster_names)) == count
