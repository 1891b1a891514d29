from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.corpus.cleaning import Cleaning
from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splitting.duplicates import (
    DuplicatesBy,
    all_keys,
    cluster_keys,
    duplicates_of,
    find_clusters,
    read_keys,
)
from tests.snapshots import write_snapshot


def clusters_of(
    folder: Path, examples: list[Example], by: DuplicatesBy = "text", cleaning: Cleaning | None = None, **more: Any
) -> list[set[str]]:
    keys = read_keys(Snapshot.load(write_snapshot(folder, examples).path), by, cleaning, **more)
    members: dict[int, set[str]] = {}
    for example, cluster in zip(examples, find_clusters(keys).tolist(), strict=True):
        members.setdefault(cluster, set()).add(example.id)
    return sorted(members.values(), key=min)


def test_find_clusters_joins_near_duplicates(tmp_path: Path) -> None:
    rows = [
        Example("a", "Shares of Bayer up 3 % https://t.co/x"),
        Example("b", "shares of  BAYER up 12 % http://t.co/other"),
        Example("c", "Shares of Bayer down 3 %"),
    ]
    assert clusters_of(tmp_path / "s", rows) == [{"a", "b"}, {"c"}]


def test_find_clusters_joins_groups_and_their_duplicates(tmp_path: Path) -> None:
    # given a and b in one group, and b the same text as c, which is in another group with d
    rows = [
        Example("a", "one", group="g"),
        Example("b", "two", group="g"),
        Example("c", "Two", group="h"),
        Example("d", "three", group="h"),
        Example("e", "four"),
        Example("f", "five", group="i"),
    ]
    assert clusters_of(tmp_path / "s", rows) == [{"a", "b", "c", "d"}, {"e"}, {"f"}]


def test_find_clusters_distinguishes_groups_from_texts(tmp_path: Path) -> None:
    rows = [Example("a", "one", group="two"), Example("b", "two", group="three")]
    assert clusters_of(tmp_path / "s", rows) == [{"a"}, {"b"}]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("text", [{"a", "b", "c"}, {"d"}]),
        ("text_pair", [{"a", "d"}, {"b", "c"}]),
        ("both", [{"a"}, {"b", "c"}, {"d"}]),
    ],
)
def test_find_clusters_compares_pairs_by_the_given_text(
    tmp_path: Path, by: DuplicatesBy, expected: list[set[str]]
) -> None:
    rows = [
        Example("a", "is it red?", text_pair="The rose."),
        Example("b", "is it red?", text_pair="The sky."),
        Example("c", "Is it red?", text_pair="the  sky."),
        Example("d", "is it blue?", text_pair="the rose."),
    ]
    assert clusters_of(tmp_path / "s", rows, by) == expected


def test_find_clusters_compares_rows_without_a_pair_by_text(tmp_path: Path) -> None:
    rows = [Example("a", "one"), Example("b", "One"), Example("c", "two")]
    assert clusters_of(tmp_path / "s", rows, "text_pair") == [{"a", "b"}, {"c"}]


def test_read_keys_hashes_a_lone_surrogate(tmp_path: Path) -> None:
    # given a text that UTF-8 cannot hold, escaped as a snapshot stores it
    rows = [Example("a", "bad \\ud800 end"), Example("b", "BAD \\ud800 end")]
    assert clusters_of(tmp_path / "s", rows) == [{"a", "b"}]


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 6), st.none() | st.integers(0, 4)), min_size=1, max_size=30))
def test_find_clusters_are_the_connected_components(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int | None]]
) -> None:
    # given rows with few texts and groups, so that chains are frequent
    words = ["nil", "one", "two", "three", "four", "five", "six"]
    examples = [
        Example(str(number), words[text], group=None if group is None else f"g{group}")
        for number, (text, group) in enumerate(rows)
    ]
    keys = read_keys(Snapshot.load(write_snapshot(tmp_path_factory.mktemp("s") / "s", examples).path), "text")
    clusters = find_clusters(keys)
    # then rows that share a text or a group are together, and numbers have no gaps
    for i, (text, group) in enumerate(rows):
        for j, (other_text, other_group) in enumerate(rows):
            if text == other_text or (group is not None and group == other_group):
                assert clusters[i] == clusters[j]
    assert len(set(clusters.tolist())) == _components(rows) == clusters.max() + 1


def _components(rows: list[tuple[int, int | None]]) -> int:
    parent: dict[object, object] = {}

    def find(node: object) -> object:
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    for text, group in rows:
        find(("text", text))
        if group is not None:
            parent[find(("text", text))] = find(("group", group))
    return len({find(("text", text)) for text, _ in rows})


def test_cluster_keys_do_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    rows = [Example("a", "one", group="g"), Example("b", "two", group="g"), Example("c", "three")]
    forward = read_keys(Snapshot.load(write_snapshot(tmp_path / "f", rows).path), "text")
    backward = read_keys(Snapshot.load(write_snapshot(tmp_path / "b", rows[::-1]).path), "text")
    assert sorted(cluster_keys(forward, find_clusters(forward)).tolist()) == sorted(
        cluster_keys(backward, find_clusters(backward)).tolist()
    )


def test_duplicates_of_are_all_rows_of_the_clusters() -> None:
    clusters = np.array([0, 1, 0, 2, 1])
    chosen = np.array([True, False, False, True, False])
    assert duplicates_of(clusters, chosen).tolist() == [True, False, True, True, False]


def test_find_clusters_compares_cleaned_texts(tmp_path: Path) -> None:
    rows = [
        Example("a", "Caf\u00e9 &amp; bar<br>again"),
        Example("b", "cafe\u0301 & \u200bbar again"),
        Example("c", "&#65; one"),
        Example("d", "A one"),
        Example("e", "&#66; one"),
    ]
    assert clusters_of(tmp_path / "raw", rows) == [{"a"}, {"b"}, {"c", "e"}, {"d"}]
    # what differs in digits alone is a near-duplicate in any case
    cleaned = clusters_of(tmp_path / "clean", rows, cleaning=Cleaning(html=True, whitespace=True))
    assert cleaned == [{"a", "b"}, {"c", "d", "e"}]


def test_find_clusters_joins_texts_that_are_empty_after_cleaning(tmp_path: Path) -> None:
    rows = [Example("a", "https://a.example"), Example("b", "<p>"), Example("c", "text")]
    cleaning = Cleaning(html=True, urls="drop", whitespace=True)
    assert clusters_of(tmp_path / "s", rows, cleaning=cleaning) == [{"a", "b"}, {"c"}]


def test_find_clusters_joins_sentences_of_documents_and_groups(tmp_path: Path) -> None:
    rows = [
        Example("d#1#0", "one", group="x"),
        Example("d#1#1", "two", group="y"),
        Example("d#2#0", "three", group="y"),
        Example("d#3#0", "four", group="d#3"),
        Example("d#3#1", "five", group="d#3"),
    ]
    assert clusters_of(tmp_path / "s", rows, sentences=True) == [{"d#1#0", "d#1#1", "d#2#0"}, {"d#3#0", "d#3#1"}]
    assert clusters_of(tmp_path / "t", rows) == [{"d#1#0"}, {"d#1#1", "d#2#0"}, {"d#3#0", "d#3#1"}]


@settings(max_examples=30, deadline=None)
@given(
    text=st.lists(st.sampled_from(["a", " ", "<b>", "&amp;", "&lt;i&gt;", "www.x.y ", "7", "\u00e9"]), min_size=1),
    pair=st.none() | st.sampled_from(["p", "<p>q", "see https://a.b"]),
    html=st.booleans(),
    urls=st.sampled_from(["keep", "drop", "token"]),
    whitespace=st.booleans(),
    by=st.sampled_from(["text", "text_pair", "both"]),
)
def test_all_keys_include_those_of_every_recipe(
    tmp_path_factory: pytest.TempPathFactory,
    text: list[str],
    pair: str | None,
    html: bool,
    urls: Any,
    whitespace: bool,
    by: DuplicatesBy,
) -> None:
    row = Example("a", "".join(text), text_pair=pair)
    snapshot = Snapshot.load(write_snapshot(tmp_path_factory.mktemp("s") / "s", [row]).path)
    keys = read_keys(snapshot, by, Cleaning(html=html, urls=urls, whitespace=whitespace))
    row_keys = {key.ljust(16, b"\0") for key in (*keys.content.tolist(), *keys.duplicates.tolist())}
    assert row_keys <= all_keys(row.text, row.text_pair)
