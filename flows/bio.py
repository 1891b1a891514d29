"""Write the rows of the newest run as words with BIO tags, the targets of a token head."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from assay.corpus.choice import choose
from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.scripts import split_signs
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SPLIT_NAMES, SplitName, Splits
from assay.corpus.storage.atomic import atomic_path
from assay.recipes.recipe import Recipe
from assay.runs.run_states import newest_run
from assay.runs.step_result import newest_result
from assay.serving.decoding import tag_words
from assay.serving.encoding import Word

# A word or any other single character; texts that were given as words are split where they were joined.
WORDS = re.compile(r"\w+|\S")
JOINED_WORDS = re.compile(r"\S+")


def dump_bio(recipe: Recipe, store: Path, output: Path, split_name: SplitName | None = None) -> int:
    """Write the rows that the newest run of a recipe has read.

    `.jsonl` writes one object per row (`id`, `tokens`, `tags`, `label`, `split`), which the document format `tokens`
    can read. Any other extension writes lines of word, tab and tag, with comment lines before each row and an empty
    line after it.

    Args:
        recipe: recipe whose newest run is used; runs are found by its name.
        store: folder of all runs.
        output: file to write, atomically.
        split_name: write only the rows of this split. None: all rows.

    Returns:
        The number of rows written.

    Raises:
        AssayError: the recipe has no token head, or no run of it has finished the steps needed.
    """
    if "tokens" not in recipe.heads:
        raise AssayError(
            f"{recipe.name} has no BIO tags, since model.heads is {recipe.heads}; use a recipe with the head tokens"
        )
    run = newest_run(recipe.name, store)
    extracted, splits = (run and newest_result(run, step) for step in ("extract", "split"))
    if extracted is None or (split_name and splits is None):
        step = "split" if split_name else "extract"
        raise AssayError(
            f"no run of {recipe.name} in {store} has finished the step {step}; run assay run RECIPE --until {step}"
        )
    split_of = Splits.load(splits).split_of if splits else {}
    word = JOINED_WORDS if recipe.source.format == "tokens" else WORDS
    rows = (
        bio_row(example, word, split_of.get(example.id))
        for example in Snapshot.load(extracted).examples()
        if split_name in (None, split_of.get(example.id))
    )
    count = 0
    with atomic_path(output) as partial, partial.open("w", encoding="utf-8") as file:
        write = bio_writer(output)
        for row in rows:
            file.write(write(row))
            count += 1
    return count


def parse_split(name: str | None) -> SplitName | None:
    """Return the split of this name; None for None.

    Raises:
        AssayError: there is no such split.
    """
    if name is None:
        return None
    return choose(name, SPLIT_NAMES, f"--split {name}: no such split; splits are {', '.join(SPLIT_NAMES)}")


def bio_row(example: Example, word: re.Pattern[str] = WORDS, split_name: SplitName | None = None) -> dict[str, Any]:
    """Return a row as words and tags. A word that an entity covers in part is tagged as a whole.

    In scripts without spaces, each character is a word; texts that were given as words keep them.
    """
    spans = [match.span() for match in word.finditer(example.text)]
    if word is not JOINED_WORDS:
        spans = [span for start, end in spans for span in split_signs(example.text, start, end)]
    words = [Word(0, *span) for span in spans]
    return {
        "id": example.id,
        "tokens": [example.text[word.start : word.end] for word in words],
        "tags": tag_words(example.entities or (), words),
        "label": example.label,
        "split": split_name,
    }


def bio_writer(output: Path) -> Callable[[dict[str, Any]], str]:
    """Return the function that turns a row into the text for a file of this name."""
    return _json_line if output.suffix == ".jsonl" else lambda row: "".join(_conll_lines(row))


def _json_line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _conll_lines(row: dict[str, Any]) -> Iterator[str]:
    for name in ("id", "label", "split"):
        if row[name] is not None:
            yield f"# {name} = {' '.join(row[name].split())}\n"
    for token, tag in zip(row["tokens"], row["tags"], strict=True):
        yield f"{token}\t{tag}\n"
    yield "\n"
