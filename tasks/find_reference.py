"""The reference of monitoring: statistics of the champion on the rows of its snapshot that it was not trained on."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from filelock import FileLock
from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SplitName, Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.corpus.storage.atomic import atomic_folder
from assay.corpus.storage.digest import digest_json
from assay.evaluation.drift.embedding import Embedder
from assay.evaluation.drift.reservoir import reservoir_sample
from assay.evaluation.drift.vocabulary import vocabulary_of
from assay.evaluation.drift.window_statistics import REFERENCE, Reference, row_key, window_statistics_of
from assay.evaluation.labelled_predictions import row_of
from assay.recipes.loader import parse_recipe
from assay.recipes.recipe import Recipe
from assay.registry.lineage.version_lineage import Lineage, lineages
from assay.runs.lifecycle import LOCK
from assay.runs.run import Run
from assay.runs.software import code_digest
from assay.runs.step_progress import current_step, reported
from assay.serving.address import open_bundle
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine
from assay.tasks.find_snapshot import find_snapshot


class Champion(BaseModel):
    """The version that is monitored, by its number, since an alias may move meanwhile."""

    model_config = ConfigDict(frozen=True)

    name: str
    number: str
    bundle: str
    snapshot: str
    mlflow_run: str
    tracking_uri: str
    recipe: Recipe

    @property
    def address(self) -> str:
        """Return the address `models:/NAME/NUMBER`."""
        return f"models:/{self.name}/{self.number}"

    def open(self) -> Bundle:
        """Open and verify the bundle of the version.

        Raises:
            AssayError: the registry cannot be reached, or the bundle differs from the registered one.
        """
        return open_bundle(self.address, tracking_uri=self.tracking_uri)


@task(name="find-champion", cache_policy=NO_CACHE)
@reported("find")
def find_champion(model: str, tracking_uri: str, store: Path) -> tuple[Champion, ArtifactRef[Reference]]:
    """Return the version of an address, and its reference for windows, which is created once per version.

    Raises:
        AssayError: there is no such version, it has no lineage, or its rows are no longer available.
    """
    with lineages(tracking_uri, model) as (lineage,):
        champion = champion_of(lineage, tracking_uri)
        folder = store.resolve() / "monitoring" / champion.name
        rule = champion.recipe.monitoring.model_dump(include={"max_rows", "seed"})
        inputs = {"bundle": champion.bundle, "rule": rule, "code": code_digest()}
        target = folder / f"reference-{digest_json(inputs)[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / LOCK):  # two windows at the same time create the reference only once
            if not (target / REFERENCE).is_file():
                _make(target, champion, lineage, store)
    current_step().conclude(champion.address)
    return champion, ArtifactRef[Reference](path=target, digest=digest_json(inputs))


def _make(target: Path, champion: Champion, lineage: Lineage, store: Path) -> None:
    """Create the reference of a version, and remove the rows that were fetched for it."""
    run = Run(
        key="monitoring",
        recipe=champion.recipe,
        store=target.parent,
        tracking_uri=champion.tracking_uri,
        mlflow_run=champion.mlflow_run,
    )
    snapshot = Snapshot.load(find_snapshot.fn(run, lineage, store).path)
    with atomic_folder(target) as partial:
        _reference_of(champion, snapshot, lineage.splits).save(partial)
        # Without the address of MLflow, which may hold a password.
        manifest = champion.model_dump_json(indent=2, exclude={"tracking_uri"})
        (partial / REFERENCE).write_text(manifest, encoding="utf-8")
    # Rows only stay in places that an erasure searches.
    shutil.rmtree(run.folder, ignore_errors=True)


def champion_of(lineage: Lineage, tracking_uri: str) -> Champion:
    """Return what opens a version again."""
    version = lineage.version
    return Champion(
        name=version.name,
        number=version.number,
        bundle=version.bundle,
        snapshot=lineage.snapshot.digest,
        mlflow_run=str(version.run_id),
        tracking_uri=tracking_uri,
        recipe=parse_recipe(lineage.recipe, f"the recipe of {version.address}"),
    )


def _reference_of(champion: Champion, snapshot: Snapshot, splits: Splits) -> Reference:
    rule = champion.recipe.monitoring
    bundle = champion.open()
    engine = Engine(bundle)

    def rows(split_name: SplitName) -> Iterable[Example]:
        return (example for example in snapshot.examples() if splits.split_of.get(example.id) == split_name)

    test = reservoir_sample(rows("test"), rule.max_rows, rule.seed)
    # Validation rows, which chose the epoch or the settings, fill up the sample; F1 is compared on test rows only.
    validation = (
        reservoir_sample(rows("validation"), rule.max_rows - len(test), rule.seed) if len(test) < rule.max_rows else []
    )
    if not test:
        raise AssayError(f"{champion.address} has no test rows to compare a window with; train it again")
    words = vocabulary_of(text for example in rows("train") for text in _texts(example, bundle.manifest.pair))
    known = frozenset(map(row_key, snapshot.examples()))
    of_documents = champion.recipe.source.format == "parse"
    statistics = window_statistics_of(engine, Embedder(bundle, engine), [*test, *validation], of_documents=of_documents)
    return Reference(statistics, len(test), frozenset(words), known)


def _texts(example: Example, pair: bool) -> Sequence[str]:
    row = row_of(example, pair)
    return (row.text, row.text_pair) if row.text_pair else (row.text,)
