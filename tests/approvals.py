"""A registry with models that a person must approve, and runs of deployments that wait for it."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from mlflow import MlflowClient
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.flow_runs import resume_flow_run

from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.export_report import ExportReport
from assay.evaluation.verdict import Check, Verdict
from assay.recipes.recipe import Recipe
from assay.registry.model_registry import ModelRegistry
from assay.registry.promotion import PromotionResult, effective_verdict
from assay.runs.run import Run
from assay.serving.bundle import Bundle
from assay.tasks.approve import approve
from assay.tasks.promote import promote
from tests.bundles import build_bundle
from tests.results import some_results
from tests.snapshots import recipe_values

WORDS = {"good": "positive", "bad": "negative"}


class World:
    """A registry with champion 1, which nobody had to approve, and candidates that a person must approve."""

    def __init__(self, store: Path, folder: Path) -> None:
        self.uri = f"sqlite:///{store}/mlflow.db"
        client = MlflowClient(tracking_uri=self.uri)
        experiment = client.create_experiment("toy", artifact_location=(folder / "artifacts").as_uri())
        self.mlflow_run = str(client.create_run(experiment).info.run_id)
        self.store = store
        self.registry = ModelRegistry("toy", self.uri, store)
        self._folder = folder
        self._splits = ArtifactRef[Splits](path=folder / "splits", digest="p")
        self._splits.path.mkdir()
        Splits.create({"r": "test"}, snapshot="s", method="stratified").save(self._splits.path)
        self.go("first", approval="none")

    def run(self, key: str = "k", run_mode: str = "enabled", **gate: Any) -> Run:
        gate = {"min_f1": {"sentence": 0.6}, "approval": "required", **gate}
        recipe = Recipe.model_validate(recipe_values(registry={"name": "toy"}, gate=gate, run_mode=run_mode))
        return Run(key=key, recipe=recipe, store=self.store, tracking_uri=self.uri, mlflow_run=self.mlflow_run)

    def later(self, **run: Any) -> Run:
        """Another run, with an MLflow run of its own."""
        client = MlflowClient(tracking_uri=self.uri)
        made = client.create_run(client.get_run(self.mlflow_run).info.experiment_id).info.run_id
        return self.run(**run).model_copy(update={"mlflow_run": made})

    def bundle(self, name: str) -> Bundle:
        """Another name is another bundle; the same name the same."""
        folder = self._folder / name / "bundle"
        if folder.exists():
            return Bundle.load(folder)
        folder.mkdir(parents=True)
        return build_bundle(folder, WORDS, {}, changes={"max_length": len(name)})

    def judge(self, name: str, *, passed: bool = True, forced: str | None = None) -> Verdict:
        """What the gate says now: each time with another latency."""
        champion = self.registry.champion()
        check = Check(
            name="latency", measured=f"{time.perf_counter_ns()} ns", required="fast", passed=passed, why="as it is"
        )
        return Verdict(
            recipe="r", bundle=self.bundle(name).digest, snapshot="s", splits="p",
            champion=champion.number if champion else None, checks=[check], forced=forced,
        )  # fmt: skip

    def go(self, name: str, *, passed: bool = True, forced: str | None = None, **run: Any) -> PromotionResult:
        """The end of a training flow."""
        return self.end(self.run(**run), name, self.judge(name, passed=passed, forced=forced))

    def end(self, run: Run, name: str, verdict: Verdict) -> PromotionResult:
        export = ArtifactRef[ExportReport](path=self.bundle(name).folder.parent, digest="e")
        verdict = effective_verdict(run, verdict)
        results = some_results(export=export, evaluation=export, splits=self._splits)
        return promote.fn(run, results, verdict, approve(run, results, verdict))

    def verdict_of(self, number: str) -> str:
        """The digest of the verdict that made a version champion; the version must be tagged with it, and keep it."""
        version = self.registry.version(number)
        kept = self.registry.tagged_verdict(version)
        assert kept is not None
        [move] = [move for move in self.registry.history() if move.target == number]
        assert move.verdict == kept.digest == version.tags["assay.verdict"]
        return kept.digest

    def serves(self) -> str | None:
        champion = self.registry.champion()
        return champion.number if champion else None


class Deployed:
    """A run of a deployment, started by hand in place of a worker."""

    def __init__(self, flow: Flow[..., Any], **parameters: Any) -> None:
        self._flow, self._parameters = flow, parameters
        with get_client(sync_client=True) as client:
            deployment = client.create_deployment(client.create_flow(flow), "test")
            self.id: UUID = client.create_flow_run_from_deployment(deployment).id

    def start(self) -> State[Any]:
        """As a worker would, whenever the run is scheduled."""
        with get_client(sync_client=True) as client:
            flow_run = client.read_flow_run(self.id)
        with suppress(Pause):
            run_flow(self._flow, flow_run=flow_run, parameters=self._parameters, return_type="state")
        return self.state()

    def resume(self, **answer: Any) -> State[Any]:
        resume_flow_run(self.id, run_input=answer)
        return self.start()

    def state(self) -> State[Any]:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(self.id).state
        assert state is not None
        return state

    def questions(self) -> list[str]:
        """What the forms said, the first one first."""
        with get_client(sync_client=True) as client:
            found = client.filter_flow_run_input(self.id, "suspended", 20, set())
        forms = [one for one in found if one.key.endswith("description")]
        return [str(one.decoded_value) for one in sorted(forms, key=lambda one: one.created or one.key)]
