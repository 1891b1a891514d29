"""The registered model `toy` in a real MLflow, and candidates for its champion."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from assay.evaluation.verdict import Check, Verdict
from assay.registry.champion_promotion import promote_version
from assay.registry.model_registry import ModelRegistry
from assay.registry.registration import register_bundle
from assay.registry.versions import Version
from assay.runs.tags import ALIAS_CHANGE_TAG
from assay.serving.bundle import Bundle

NAME = "toy"

WORDS = {"good": "positive", "bad": "negative"}

MakeBundle = Callable[..., Bundle]

Candidate = tuple[Version, Verdict]

MakeCandidate = Callable[..., Candidate]


@pytest.fixture
def uri(store: Path) -> str:
    return f"sqlite:///{store}/mlflow.db"


@pytest.fixture
def mlflow_run(uri: str, tmp_path: Path) -> str:
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("toy", artifact_location=(tmp_path / "artifacts").as_uri())
    return str(client.create_run(experiment).info.run_id)


@pytest.fixture
def registry(uri: str, store: Path) -> ModelRegistry:
    return ModelRegistry(NAME, uri, store)


@pytest.fixture
def candidate(registry: ModelRegistry, mlflow_run: str, make_bundle: MakeBundle) -> MakeCandidate:
    """Return `make(name)`, which registers a version and returns it with its verdict, one bundle per name."""

    def make(name: str, *, passed: bool = True, forced: str | None = None) -> Candidate:
        bundle = make_bundle(name, WORDS, max_length=10 + len(name))
        verdict = a_verdict(bundle, passed=passed, forced=forced)
        return register_bundle(registry, mlflow_run, bundle.folder, verdict, {"assay.ledger": "one"}), verdict

    return make


def a_verdict(bundle: Bundle, *, passed: bool = True, forced: str | None = None) -> Verdict:
    check = Check(name="score: sentence", measured="0.9", required="0.6", passed=passed, why="macro-F1")
    return Verdict(
        recipe="r", bundle=bundle.digest, snapshot="s", splits="p", champion=None, checks=[check], forced=forced
    )


def aliases(registry: ModelRegistry) -> tuple[str | None, str | None]:
    """Return the numbers of the champion and of the previous champion."""
    champion, previous = registry.champion(), registry.previous()
    return champion.number if champion else None, previous.number if previous else None


class FailingClient(MlflowClient):
    """An MLflow client that fails at the n-th call of a method, for a number of calls."""

    def __init__(self, uri: str, method: str, at: int, times: int = 1) -> None:
        super().__init__(tracking_uri=uri, registry_uri=uri)
        self._calls = 0
        original = getattr(self, method)

        def failing(*args: Any, **kwargs: Any) -> Any:
            self._calls += 1
            if at <= self._calls < at + times:
                raise MlflowException("the server went away")
            return original(*args, **kwargs)

        setattr(self, method, failing)


@pytest.fixture
def champions(candidate: MakeCandidate, registry: ModelRegistry) -> list[Candidate]:
    """Return three versions, promoted in sequence."""
    made = [candidate(name) for name in ("a", "bb", "ccc")]
    for number, (version, verdict) in enumerate(made):
        promote_version(registry, version, verdict, made[number - 1][0] if number else None, "better")
    return made


def lose_history(registry: ModelRegistry) -> None:
    client = MlflowClient(tracking_uri=registry.tracking_uri)
    for move in registry.history():
        client.delete_registered_model_tag(NAME, f"{ALIAS_CHANGE_TAG}{move.number:06d}")
