"""What a registry holds: each model with its champion, and the outcome of every version."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from pydantic import BaseModel, ConfigDict, RootModel

from assay.registry.aliases import CHAMPION, PREVIOUS
from assay.registry.versions import Version
from assay.runs.mlflow_client import connect, every_page
from assay.runs.tags import FAILED_TAG, FORCED_TAG, RECIPE_TAG
from assay.runs.tracking import mlflow_reachable

FOREIGN = "foreign"  # outcome of a version that this package did not register


class VersionOverview(BaseModel):
    """A version: its outcome (`passed`, `refused`, `pending` or `foreign`), and the names of its failed checks."""

    model_config = ConfigDict(frozen=True)

    number: str
    outcome: str
    forced: bool
    failed: str | None
    recipe: str | None
    created: datetime


class ModelOverview(BaseModel):
    """A registered model, with its versions from the newest to the oldest."""

    model_config = ConfigDict(frozen=True)

    name: str
    champion: str | None
    previous: str | None
    versions: list[VersionOverview]

    @property
    def outcomes(self) -> Counter[str]:
        """Number of versions by outcome."""
        return Counter(version.outcome for version in self.versions)


class ModelList(RootModel[list[ModelOverview]]):
    """The registered models of a registry, by name."""


def list_models(tracking_uri: str) -> ModelList:
    """Return every registered model of a registry.

    Raises:
        AssayError: MLflow cannot be reached.
    """
    with mlflow_reachable(tracking_uri):
        client = connect(tracking_uri)
        models = list(every_page(lambda token: client.search_registered_models(page_token=token)))
        versions = list(every_page(lambda token: client.search_model_versions(page_token=token)))
        return ModelList(
            [_overview(client, model.name, versions) for model in sorted(models, key=lambda model: str(model.name))]
        )


def _overview(client: MlflowClient, name: str, versions: Iterable[ModelVersion]) -> ModelOverview:
    model: RegisteredModel = client.get_registered_model(name)  # a search returns no aliases
    own = sorted((version for version in versions if version.name == name), key=_number, reverse=True)
    aliases = {alias: str(number) for alias, number in model.aliases.items()}
    return ModelOverview(
        name=name, champion=aliases.get(CHAMPION), previous=aliases.get(PREVIOUS), versions=list(map(_version, own))
    )


def _version(registered: ModelVersion) -> VersionOverview:
    version = Version.of(registered)
    return VersionOverview(
        number=version.number,
        outcome=version.outcome if version.bundle else FOREIGN,
        forced=FORCED_TAG in version.tags,
        failed=version.tags.get(FAILED_TAG),
        recipe=version.tags.get(RECIPE_TAG),
        created=datetime.fromtimestamp(registered.creation_timestamp / 1000, UTC),
    )


def _number(version: ModelVersion) -> int:
    return int(version.version)
