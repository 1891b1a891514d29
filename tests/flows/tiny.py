"""A tiny corpus for a network that trains in seconds, its recipe, and `assay run` with it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from assay.recipes.loader import parse_recipe
from assay.recipes.recipe import Recipe

WORDS = {"good": "rises", "bad": "falls"}
NAMES = [f"{first}{second}" for first in ("Al", "Be", "Ca", "Do", "Em", "Fi") for second in ("ra", "tex", "mon", "lis")]
FILLERS = ["today", "again", "in spring", "after noon", "as seen before", "says a friend", "in the north", "at last"]


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Yield sentences such as `Caramon falls and falls again bera`; the verb is the class, the name an entity."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        label = draw.choice(list(WORDS))
        name = draw.choice(NAMES)
        text = f"{name} {WORDS[label]} and {WORDS[label]} {draw.choice(FILLERS)} {draw.choice(NAMES).lower()}"
        entities = [{"start": 0, "end": len(name), "label": "NAME", "text": name}]
        region = draw.choice(["north", "south"])
        made.append({"id": f"{seed}-{number}", "text": text, "label": label, "entities": entities, "region": region})
    return made


def write_rows(path: Path, count: int = 400, seed: int = 1) -> Path:
    """Write the rows as a JSONL file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(count, seed)), encoding="utf-8")
    return path


def make_recipe(corpus: Path, **changes: Any) -> Recipe:
    """Return a joint recipe for the file; `changes` replace sections or add keys to them."""
    values: dict[str, Any] = {
        "name": "tiny",
        "source": {
            "kind": "files",
            "paths": {str(corpus): "all"},
            "fields": {"id": "id", "label": "label", "entities": "entities", "slices": {"region": "region"}},
        },
        "validation": {"max_duplicate_share": 1.0},
        "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
        "model": {
            "scratch": {"layers": 1, "hidden": 64, "attention_heads": 2, "vocabulary": 300},
            "heads": ["sentence", "tokens"],
            "max_length": 32,
        },
        "training": {"epochs": 10, "batch_size": 8, "learning_rate": 0.001},
        # Looking words up finds every one of the few names, and no model finds more than that.
        "gate": {
            "min_f1": {"sentence": 0.7, "tokens": 0.7},
            "baseline": "off",
            "slices": {"columns": ["region"]},
        },
        "registry": {"name": "tiny"},
    }
    for section, change in changes.items():
        values[section] = {**values.get(section, {}), **change} if isinstance(change, dict) else change
    return parse_recipe(values, "test")


class RunCommand:
    """`assay run` in a process of its own, with a Prefect of its own."""

    def __init__(self, recipe: Recipe, store: Path, folder: Path) -> None:
        """Write the recipe to `folder`, which also holds Prefect's files."""
        file = folder / "recipe.yaml"
        file.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
        self._command = [sys.executable, "-m", "assay.cli", "run", str(file), "--store", str(store)]
        self._environment = {**os.environ, "PREFECT_HOME": str(folder / "prefect")}

    def run(self) -> "subprocess.CompletedProcess[str]":
        """Run the command to its end."""
        return subprocess.run(self._command, env=self._environment, capture_output=True, text=True, check=False)

    def kill_when(self, reached: Callable[[], object], seconds: float) -> None:
        """Start the command, and kill it when it has reached a point."""
        # A process group of its own: the temporary Prefect server is a child, and would outlive its parent.
        process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + seconds
        try:
            while not reached():
                assert process.poll() is None, "the run ended before it could be killed"
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


TOPICS = {"money": "the bank", "sport": "the match", "weather": "the storm"}


def label_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Return sentences such as `Caramon talks of the bank and the storm today`, with their topics and a name.

    A fifth has no topic, and a tenth is not labelled.
    """
    draw = random.Random(seed)
    made = []
    for number in range(count):
        topics = [] if number % 5 == 0 else draw.sample(list(TOPICS), draw.choice([1, 1, 2]))
        name = draw.choice(NAMES)
        told = " and ".join(TOPICS[topic] for topic in topics) or "nothing"
        text = f"{name} talks of {told} {draw.choice(FILLERS)} {draw.choice(NAMES).lower()}"
        entities = [{"start": 0, "end": len(name), "label": "NAME", "text": name}]
        made.append(
            {
                "id": f"{seed}-{number}",
                "text": text,
                "topics": None if number % 10 == 7 else topics,
                "entities": entities,
                "region": draw.choice(["north", "south"]),
            }
        )
    return made


def label_recipe(corpus: Path, **changes: Any) -> Recipe:
    """Return a recipe with a labels head alone for a file of `label_rows`; `changes` as in `make_recipe`."""
    fields = {"id": "id", "labels": "topics", "entities": "entities", "slices": {"region": "region"}}
    defaults: dict[str, Any] = {
        "name": "topics",
        "source": {"fields": fields},
        "model": {"heads": ["labels"]},
        "training": {"class_weights": "balanced"},
        "gate": {"min_f1": {"labels": 0.7}, "baseline": "majority", "slices": {"columns": ["region"], "label": True}},
        "registry": {"name": "topics"},
    }
    for section, change in changes.items():
        defaults[section] = {**defaults.get(section, {}), **change} if isinstance(change, dict) else change
    return make_recipe(corpus, **defaults)
