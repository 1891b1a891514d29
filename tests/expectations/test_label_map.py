"""Consistency of `source.label_map` with the labels of the rows."""

from pathlib import Path
from typing import Any

import pytest

from assay.corpus.documents.chunk import ChunkReader, DocumentChunk
from assay.corpus.documents.raw_document import Document
from assay.corpus.snapshot import Snapshot, SnapshotWriter
from assay.expectations.label_map import label_map_checks
from assay.recipes.recipe import Recipe
from tests.snapshots import recipe_values


def snapshot_of(folder: Path, recipe: Recipe, labels: list[Any]) -> Snapshot:
    """Read labels of a source through chunks, as from another process."""
    reader = ChunkReader(recipe.source, needs_label=True, needs_entities=False)
    with SnapshotWriter(folder, [], {}) as writer:
        for number, label in enumerate(labels):
            document = Document(f"r{number}", {"text": f"text {number}", "label": label})
            writer.add_chunk(DocumentChunk.from_bytes(reader.read([document]).to_bytes()))
        writer.finish()
    return Snapshot.load(folder)


def recipe_with(mapping: dict[str, str], labels: list[str] | None = None) -> Recipe:
    source = {"kind": "files", "paths": {"rows.jsonl": "all"}, "fields": {"label": "label"}, "label_map": mapping}
    return Recipe.model_validate(recipe_values(source=source, validation={"labels": labels}))


@pytest.mark.parametrize(
    ("mapping", "labels", "severity", "parts"),
    [
        ({"0": "bear", "1": "bull", "22": "flat"}, [0, 1, 2], "critical", ["'2' of 1 row", "'22'"]),
        ({"pos": "good", "negatve": "bad"}, ["pos", "negative"], "critical", ["correct the entry 'negatve'"]),
        # The name that the mistyped entry gives has rows of other entries.
        ({"1": "neg", "2": "neg", "4": "pos", "55": "pos"}, [1, 2, 4, 5], "critical", ["'5' of 1 row", "'55'"]),
        ({"true": "yes", "flase": "yes"}, [True, False], "critical", ["correct the entry 'flase'"]),
        # The mistyped entry gives the very name that the label has.
        ({"0": "bear", "up": "2"}, [0, 2, 1], "critical", ["'1' of 1 row", "'up'"]),
        # YAML 1.1 has read yes and no as booleans.
        (
            {"true": "up", "false": "down"},
            ["yes", "no"],
            "critical",
            ["'yes' without quotes is true in YAML 1.1; put it in quotes", "'no' without quotes is false"],
        ),
        ({"true": "up", "off": "down"}, ["On", "off"], "critical", ["'On' without quotes is true in YAML 1.1"]),
        # Excel writes TRUE, which YAML reads as true.
        (
            {"true": "up", "false": "down"},
            ["TRUE", "FALSE"],
            "critical",
            [
                "the label 'TRUE' of 1 row, but 'true' differs from it by case or white space alone: write 'TRUE' in "
                "quotes (YAML reads it as true without), or set source.fold_labels: true",
                "'FALSE' of 1 row, but 'false' differs",
            ],
        ),
        (
            {"TRUE": "up", "FALSE": "down"},
            [True, False],
            "critical",
            ["the label 'true' of 1 row, but 'TRUE' differs from it by case or white space alone: write 'true'"],
        ),
        (
            {"good": "up", "BAD": "down", "odd": "flat"},
            ["Good", "bad "],
            "critical",
            [
                "write 'Good', or set source.fold_labels: true;",
                "write 'bad '; no row has the label of the entries 'odd'",
            ],
        ),
        ({"0": "bear", "1": "bull"}, [0, 1, 2], "warning", ["add '2': '2'"]),
        ({"0": "bear", "1": "bull", "9": "odd"}, [0, 1], "warning", ["no row has the label of the entries"]),
        ({"0": "bear", "1": "bull", "9": "bull"}, [0, 1], "warning", ["no row has the label of the entries"]),
    ],
)
def test_label_map_checks_name_mismatches(
    tmp_path: Path, mapping: dict[str, str], labels: list[Any], severity: str, parts: list[str]
) -> None:
    recipe = recipe_with(mapping)
    [check] = label_map_checks(snapshot_of(tmp_path, recipe, labels), recipe)
    assert (check.severity, check.passed) == (severity, False)
    assert all(part in check.why for part in parts)
    assert "\n" not in check.why


def test_label_map_checks_pass_for_matching_labels(tmp_path: Path) -> None:
    recipe = recipe_with({"0": "bear", "1": "bull"}, ["bear", "bull", "other"])
    snapshot = snapshot_of(tmp_path, recipe, ["0", 1.0, "other"])
    [check] = label_map_checks(snapshot, recipe)
    assert check.passed
    assert label_map_checks(snapshot, recipe_with({})) == []


@pytest.mark.parametrize("labels", [[0, 1], [0.0, 1.0], [0, 1.0]])
@pytest.mark.parametrize(
    "mapping", [{"0": "neg", "1": "pos"}, {"0.0": "neg", "1.0": "pos"}, {"0": "neg", "1.0": "pos"}]
)
def test_label_map_checks_pass_for_whole_numbers_in_any_notation(
    tmp_path: Path, mapping: dict[str, str], labels: list[Any]
) -> None:
    recipe = recipe_with(mapping)
    snapshot = snapshot_of(tmp_path, recipe, labels)
    assert label_map_checks(snapshot, recipe)[0].passed
    assert list(snapshot.manifest.labels) == ["neg", "pos"]


def test_label_map_checks_know_the_entries_of_the_fast_path(tmp_path: Path) -> None:
    source = {
        "kind": "files",
        "paths": {"rows.jsonl": "all"},
        "format": "parse",
        "label_map": {"good": "pos", "godo": "pos"},
    }
    recipe = Recipe.model_validate(recipe_values(source=source))
    with SnapshotWriter(tmp_path, [], {}) as writer:
        sentences = [{"Text": "A b.", "sentiment": label} for label in ("good", "neg")]
        reader = ChunkReader(recipe.source, needs_label=True, needs_entities=False)
        writer.add_chunk(reader.read([Document("d", {"Parse": sentences})]))
        writer.finish()
    [check] = label_map_checks(Snapshot.load(tmp_path), recipe)
    assert (check.severity, check.invalid_ids) == ("critical", ["neg", "godo"])
