"""A data check before training: the share of entities that the tags of the recipe's tokenizer recover."""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.storage.digest import digest_folder, digest_json
from assay.expectations.validation_report import CheckResult
from assay.recipes.recipe import Recipe

if TYPE_CHECKING:
    from assay.models.tag_coverage import TagCoverage

NAME = "entities that tags recover"
STOP_BELOW, WARN_BELOW = 0.5, 0.98
MOST_ROWS = 20_000
SHARE, HALF_WORDS, ENTITIES = "tags.recovered", "tags.half_words", "tags.entities"
_REMEDY = (
    "correct the spans at the source so that they begin and end at words, or choose an encoder whose tokens end there"
)


def tag_check(recipe: Recipe, snapshot: Snapshot) -> tuple[CheckResult, dict[str, float]] | None:
    """Check the tag coverage of the rows that can become training rows.

    Returns:
        The check and its metrics for MLflow and the card: `tags.recovered` and `tags.half_words` (shares of the
        entities) and `tags.entities`. None without a token head or without entities.

    Raises:
        AssayError: the tokenizer could not be loaded.
    """
    if "tokens" not in recipe.heads:
        return None
    rows = _training_rows(recipe, snapshot)
    if not rows:
        return None
    # Imported here because transformers takes seconds to import, and a finished step does not need it.
    from assay.models.tag_coverage import tag_coverage

    coverage = tag_coverage(rows, recipe.model)
    metrics = {
        SHARE: coverage.share,
        HALF_WORDS: coverage.half_words / coverage.entities,
        ENTITIES: float(coverage.entities),
    }
    return _result(coverage), metrics


def unmeasured(error: AssayError) -> CheckResult:
    """Return the check of a tokenizer that could not be loaded."""
    return CheckResult(
        name=NAME, severity="info", passed=False, measured="not measured", required="a tokenizer", why=str(error)
    )


def tokenizer_inputs(recipe: Recipe) -> dict[str, Any]:
    """Return the inputs of the check besides the rows, as JSON."""
    if "tokens" not in recipe.heads:
        return {}
    model = recipe.model
    settings = model.model_dump(mode="json", include={"encoder", "revision", "scratch", "cleaning"})
    return {**settings, "files": encoder_digest(model.encoder)}


def encoder_digest(encoder: str | None) -> str | None:
    """Return the digest of a local encoder's files; None for a hub model, whose revision pins it."""
    folder = Path(encoder).expanduser() if encoder else None
    return digest_json(digest_folder(folder)) if folder and folder.is_dir() else None


def _training_rows(recipe: Recipe, snapshot: Snapshot) -> list[Example]:
    """Return the rows with entities that may become training rows, or a sample of `MOST_ROWS` of them."""
    published = recipe.split.method == "published"
    count = _count_rows(snapshot, published=published)
    chosen = np.ones(count, dtype=bool)
    if count > MOST_ROWS:
        chosen[MOST_ROWS:] = False
        np.random.default_rng(0).shuffle(chosen)  # a regular step would miss rows that come in a cycle
    allowed = (row for row in snapshot.examples() if row.entities and (not published or row.split == "train"))
    return list(itertools.compress(allowed, chosen))


def _count_rows(snapshot: Snapshot, *, published: bool) -> int:
    """Count the rows with entities that may become training rows, without reading their texts."""
    count = 0
    for batch in snapshot.batches(["entities", "split"]):
        allowed = pc.greater(pc.list_value_length(batch["entities"]), 0)
        if published:
            allowed = pc.and_(allowed, pc.equal(batch["split"], "train"))
        count += pc.sum(allowed).as_py() or 0
    return count


def _result(coverage: "TagCoverage") -> CheckResult:
    stops = coverage.share < STOP_BELOW
    passed = coverage.share >= WARN_BELOW
    required = STOP_BELOW if stops else WARN_BELOW
    half_words = f"{coverage.half_words / coverage.entities:.1%} cut a word and count as the whole word"
    measured = f"{coverage.share:.1%} of {coverage.entities}; {half_words}"
    why = measured
    if not passed:
        why = (
            f"the tokenizer's words recover {coverage.share:.1%} of {coverage.entities} entities ({half_words}), "
            f"needs at least {required:.0%}: {_REMEDY}; {'; '.join(coverage.examples)}"
        )
    return CheckResult(
        name=NAME,
        severity="critical" if stops else "warning",
        passed=passed,
        measured=measured,
        required=f"at least {WARN_BELOW:.0%} (below {STOP_BELOW:.0%} the run stops)",
        why=why,
    )
