"""Tasks pushed to servers that speak as Label Studio and Argilla do; without the SDK of one, its tests are skipped."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from assay.corpus.entity import Entity
from assay.corpus.errors import AssayError
from assay.evaluation.labels.label_issue import LabelTask
from assay.evaluation.labels.task_formats import LabelNames
from assay.tasks.annotation.push import AnnotationServer, push_tasks
from tests.ports import free_port
from tests.tasks.annotation.fake_servers import FakeServer, argilla, label_studio

NAMES = LabelNames(classes=["bad", "good"], entity_types=["ORG"])
MODEL = "models:/news/3"
TASK = LabelTask(
    id="r1",
    split="test",
    text="Globex buys land",
    text_pair=None,
    label="bad",
    entities=(),
    proposed_label="good",
    proposed_entities=(Entity(0, 6, "ORG"),),
    score=0.9,
    reason="wrong class",
)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOL_API_KEY", "secret")


def server(tool: Any, url: str, **changes: Any) -> AnnotationServer:
    return AnnotationServer(tool=tool, url=url, key="env:TOOL_API_KEY", project="labels to review", **changes)


@pytest.fixture
def studio() -> Iterator[FakeServer]:
    pytest.importorskip("label_studio_sdk")
    with FakeServer(label_studio([])).listening() as fake:
        yield fake


def test_push_creates_a_project_of_label_studio_with_predictions(studio: FakeServer) -> None:
    address = push_tasks(server("label-studio", studio.url), [TASK], NAMES, MODEL)

    assert address == f"{studio.url}/projects/7/data"
    assert studio.authorization == {"Token secret"}
    (created,) = studio.bodies("POST", "/api/projects/")
    assert created["title"] == "labels to review"
    assert '<Label value="ORG"/>' in created["label_config"]
    ((sent,),) = studio.bodies("POST", "/import")
    assert sent["data"]["row_id"] == "r1"
    assert [result["type"] for result in sent["predictions"][0]["result"]] == ["choices", "labels"]


def test_push_adds_to_an_existing_project_of_label_studio() -> None:
    pytest.importorskip("label_studio_sdk")
    projects = [{"id": 5, "title": "labels to review in spring"}, {"id": 9, "title": "labels to review"}]
    with FakeServer(label_studio(projects)).listening() as fake:
        assert push_tasks(server("label-studio", fake.url), [TASK] * 3, NAMES, MODEL).endswith("/projects/9/data")
    assert fake.bodies("POST", "/api/projects/") == []
    assert [len(body) for body in fake.bodies("POST", "/import")] == [3]


def test_push_creates_a_data_set_of_argilla_with_suggestions() -> None:
    pytest.importorskip("argilla")
    with FakeServer(argilla()).listening() as fake:
        address = push_tasks(server("argilla", fake.url, workspace="team"), [TASK], NAMES, MODEL)

    assert address.startswith(f"{fake.url}/dataset/")
    assert fake.authorization == {"secret"}
    assert [question["name"] for question in fake.bodies("POST", "/questions")] == ["label", "entities"]
    (sent,) = [item for _, path, body in fake.requests if path.endswith("/bulk") for item in body["items"]]
    assert sent["external_id"] == "r1"
    assert sent["metadata"]["row_id"] == "r1"
    values = [suggestion["value"] for suggestion in sent["suggestions"]]
    assert sorted(values, key=str) == [[{"label": "ORG", "start": 0, "end": 6}], "good"]


TOPIC_TASK = TASK.model_copy(
    update={"label": None, "entities": None, "proposed_label": None, "proposed_entities": None,
            "labels": ("money",), "proposed_labels": ("money", "sport")}
)  # fmt: skip
TOPICS = LabelNames(classes=[], entity_types=[], row_labels=["money", "sport"])


def test_push_asks_label_studio_for_any_number_of_labels(studio: FakeServer) -> None:
    push_tasks(server("label-studio", studio.url), [TOPIC_TASK], TOPICS, MODEL)

    (created,) = studio.bodies("POST", "/api/projects/")
    assert '<Choices name="labels" toName="text" choice="multiple">' in created["label_config"]
    ((sent,),) = studio.bodies("POST", "/import")
    assert [one["value"] for one in sent["predictions"][0]["result"]] == [{"choices": ["money", "sport"]}]


@pytest.mark.parametrize(
    ("names", "required"),
    [
        (NAMES, {"label": True, "entities": False}),
        (LabelNames(classes=[], entity_types=["ORG"]), {"entities": True}),
        (TOPICS, {"labels": False, "reviewed": True}),
        (LabelNames(classes=["a", "b"], entity_types=[], row_labels=["c", "d"]), {"label": True, "labels": False}),
    ],
)
def test_push_leaves_one_question_of_argilla_that_must_be_answered(
    names: LabelNames, required: dict[str, bool]
) -> None:
    pytest.importorskip("argilla")
    heads = {
        "proposed_label": names.classes[0] if names.classes else None,
        "proposed_labels": tuple(names.row_labels) if names.row_labels else None,
        "proposed_entities": TASK.proposed_entities if names.entity_types else None,
    }
    # The server publishes no data set without one, and takes no list of labels without a label.
    with FakeServer(argilla()).listening() as fake:
        push_tasks(server("argilla", fake.url, workspace="team"), [TASK.model_copy(update=heads)], names, MODEL)
    questions = fake.bodies("POST", "/questions")
    assert {question["name"]: question["required"] for question in questions} == required


def test_push_reports_a_server_that_does_not_respond_or_refuses() -> None:
    pytest.importorskip("label_studio_sdk")
    with pytest.raises(AssayError, match=r"http://127.0.0.1:\d+ is not responding"):
        push_tasks(server("label-studio", f"http://127.0.0.1:{free_port()}"), [TASK], NAMES, MODEL)
    refusing = FakeServer(lambda *_: {"detail": "Invalid token."}, 401)
    with refusing.listening() as fake, pytest.raises(AssayError, match="refused the tasks"):
        push_tasks(server("label-studio", fake.url), [TASK], NAMES, MODEL)


def test_push_names_the_variable_of_a_missing_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOOL_API_KEY")
    line = r"key is env:TOOL_API_KEY, but TOOL_API_KEY is not set; export TOOL_API_KEY=\.\.\."
    with pytest.raises(AssayError, match=line):
        push_tasks(server("argilla", "http://127.0.0.1:1"), [TASK], NAMES, MODEL)


@pytest.mark.parametrize("key", ["env:MONGODB_URI", "env:AWS_SECRET_ACCESS_KEY", "secret", "block:"])
def test_push_sends_no_other_secret_of_the_worker(key: str) -> None:
    with pytest.raises(ValidationError, match="key"):
        AnnotationServer(tool="argilla", url="http://elsewhere", key=key, project="p")
