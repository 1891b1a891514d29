from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.example import Example
from corpus.snapshot import Snapshot
from tasks.sides.duplicates import DuplicatesBy, cluster_keys, duplicates_of, find_clusters, read_keys
from tests.snapshots import write_snapshot


def clusters_of(folder: Path, examples: list[Example], by: DuplicatesBy = "text") -> list[set[str]]:
    keys = read_keys(Snapshot.load(write_snapshot(folder, examples).path), by)
    found: dict[int, set[str]] = {}
    for example, cluster in zip(examples, find_clusters(keys).tolist(), strict=True):
        found.setdefault(cluster, set()).add(example.id)
    return sorted(found.values(), key=min)


def test_texts_that_differ_in_case_urls_digits_and_space_are_one_cluster(tmp_path: Path) -> None:
    rows = [
        Example("a", "Shares of Bayer up 3 % https://t.co/x"),
        Example("b", "shares of  BAYER up 12 % http://t.co/other"),
        Example("c", "Shares of Bayer down 3 %"),
    ]
    assert clusters_of(tmp_path / "s", rows) == [{"a", "b"}, {"c"}]


def test_rows_of_one_group_and_their_duplicates_are_one_cluster(tmp_path: Path) -> None:
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


def test_a_group_named_like_a_text_is_not_that_text(tmp_path: Path) -> None:
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
def test_pairs_are_duplicates_by_the_side_that_the_recipe_names(
    tmp_path: Path, by: DuplicatesBy, expected: list[set[str]]
) -> None:
    rows = [
        Example("a", "is it red?", text_pair="The rose."),
        Example("b", "is it red?", text_pair="The sky."),
        Example("c", "Is it red?", text_pair="the  sky."),
        Example("d", "is it blue?", text_pair="the rose."),
    ]
    assert clusters_of(tmp_path / "s", rows, by) == expected


def test_rows_without_a_pair_go_by_their_text(tmp_path: Path) -> None:
    rows = [Example("a", "one"), Example("b", "One"), Example("c", "two")]
    assert clusters_of(tmp_path / "s", rows, "text_pair") == [{"a", "b"}, {"c"}]


def test_a_lone_surrogate_is_hashed(tmp_path: Path) -> None:
    # given a text that UTF-8 cannot hold, escaped as a snapshot stores it
    rows = [Example("a", "bad \\ud800 end"), Example("b", "BAD \\ud800 end")]
    assert clusters_of(tmp_path / "s", rows) == [{"a", "b"}]


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 6), st.none() | st.integers(0, 4)), min_size=1, max_size=30))
def test_clusters_are_the_connected_components(
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


def test_the_key_of_a_cluster_does_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    rows = [Example("a", "one", group="g"), Example("b", "two", group="g"), Example("c", "three")]
    forward = read_keys(Snapshot.load(write_snapshot(tmp_path / "f", rows).path), "text")
    backward = read_keys(Snapshot.load(write_snapshot(tmp_path / "b", rows[::-1]).path), "text")
    assert sorted(cluster_keys(forward, find_clusters(forward)).tolist()) == sorted(
        cluster_keys(backward, find_clusters(backward)).tolist()
    )


def test_duplicates_of_rows_are_all_rows_of_their_clusters() -> None:
    clusters = np.array([0, 1, 0, 2, 1])
    chosen = np.array([True, False, False, True, False])
    assert duplicates_of(clusters, chosen).tolist() == [True, False, True, True, False]
