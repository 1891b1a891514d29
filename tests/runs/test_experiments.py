from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from assay.corpus.errors import AssayError
from assay.runs.experiments import KIND, LONGEST_FOLDER, artifact_folder, deleted_experiment, experiment_id


@pytest.fixture
def uri(store: Path) -> str:
    return f"sqlite:///{store}/mlflow.db"


@pytest.fixture
def client(uri: str) -> MlflowClient:
    return MlflowClient(tracking_uri=uri)


def folder_of(client: MlflowClient, number: str) -> Path:
    return Path(unquote(urlparse(client.get_experiment(number).artifact_location).path))


def test_experiment_id_creates_an_experiment_once_in_the_folder_of_the_store(
    client: MlflowClient, uri: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    number = experiment_id(client, "news", uri, Path("store"))
    assert experiment_id(client, "news", uri, tmp_path / "elsewhere") == number
    assert folder_of(client, number) == store.resolve() / "mlartifacts" / "news"
    assert client.get_experiment(number).tags.items() >= KIND.items()


def test_experiment_id_leaves_the_place_of_artifacts_to_a_server(uri: str, store: Path) -> None:
    class Asked(MlflowClient):
        places: list[str | None]

        def create_experiment(self, name: str, artifact_location: str | None = None, tags: Any = None) -> str:
            self.places = [artifact_location]
            return str(super().create_experiment(name, artifact_location, tags))

    client = Asked(tracking_uri=uri)
    experiment_id(client, "news", "http://mlflow.test", store)
    assert client.places == [None]


def test_experiment_id_takes_that_of_another_run_that_was_first(uri: str, store: Path) -> None:
    class Overtaken(MlflowClient):
        """A client whose experiment another run creates at the same moment."""

        def create_experiment(self, name: str, *args: Any, **kwargs: Any) -> str:
            MlflowClient(tracking_uri=uri).create_experiment(name)
            return str(super().create_experiment(name, *args, **kwargs))

    number = experiment_id(Overtaken(tracking_uri=uri), "news", uri, store)
    assert MlflowClient(tracking_uri=uri).get_experiment(number).name == "news"


def test_experiment_id_reports_that_an_experiment_cannot_be_created(uri: str, store: Path) -> None:
    class Broken(MlflowClient):
        def create_experiment(self, *args: Any, **kwargs: Any) -> str:
            raise MlflowException("the disk is full")

    with pytest.raises(MlflowException, match="the disk is full"):
        experiment_id(Broken(tracking_uri=uri), "news", uri, store)


def test_experiment_id_refuses_a_deleted_experiment_until_it_is_restored(
    client: MlflowClient, uri: str, store: Path
) -> None:
    number = experiment_id(client, "news", uri, store)
    client.delete_experiment(number)
    with pytest.raises(AssayError, match=r"the MLflow experiment 'news' is deleted; restore it"):
        experiment_id(client, "news", uri, store)
    client.restore_experiment(number)
    assert experiment_id(client, "news", uri, store) == number


def test_deleted_experiment_names_the_commands_without_the_password(client: MlflowClient, store: Path) -> None:
    experiment = client.get_experiment(client.create_experiment("news"))
    number = experiment.experiment_id
    line = deleted_experiment(experiment, "http://anna:secret@mlflow.test")
    assert "secret" not in line
    assert "\n" not in line
    for remedy in (
        f"MLFLOW_TRACKING_URI=http://***@mlflow.test mlflow experiments restore --experiment-id {number}",
        f"mlflow gc --experiment-ids {number}",
        "registry.experiment",
    ):
        assert remedy in line


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("news", "news"),
        ("news of 2026", "news of 2026"),
        ("a" * LONGEST_FOLDER, "a" * LONGEST_FOLDER),
        ("Börse", "B%C3%B6rse"),
        ("teams/news", "teams%2Fnews"),
        ("50 %", "50 %25"),
    ],
)
def test_artifact_folder_of_a_plain_name_can_be_read(name: str, folder: str) -> None:
    assert artifact_folder(name) == folder


@pytest.mark.parametrize("name", ["..", ".", " ", "news.", ".news", " news", "a" * (LONGEST_FOLDER + 1), "ü" * 40])
def test_artifact_folder_of_another_name_ends_with_its_digest(name: str) -> None:
    folder = artifact_folder(name)
    stem, _, digest = folder.rpartition("-")
    assert len(digest) == 12
    assert len(folder) <= LONGEST_FOLDER + 13
    assert stem == stem.strip(". ")


@given(st.text(min_size=1, max_size=150), st.text(min_size=1, max_size=150))
def test_artifact_folder_is_one_folder_per_name(first: str, second: str) -> None:
    folders = [artifact_folder(name) for name in (first, second)]
    assert (folders[0] == folders[1]) == (first == second)
    for folder in folders:
        assert (Path("/store") / folder).parent == Path("/store")
        assert folder.strip(". ") == folder != ""
