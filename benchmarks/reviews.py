"""The product reviews that some benchmarks read: text, stars, year and category, with the classes of the recipe."""

import gzip
import json
from pathlib import Path
from typing import Any

from assay.recipes.recipe import Recipe

DATA = Path(__file__).parents[2] / "shared" / "data" / "amazon_reviews" / "amazon_reviews.jsonl.gz"


def read_reviews(recipe: Recipe) -> tuple[list[dict[str, Any]], list[str]]:
    """Return all reviews with their classes by the recipe's `source.label_map`; exit if there are none."""
    if not DATA.is_file():
        raise SystemExit(f"{DATA} is absent: this benchmark reads real reviews from there")
    with gzip.open(DATA, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return rows, [recipe.source.label_map[str(int(row["rating"]))] for row in rows]
