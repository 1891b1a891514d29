"""Tasks on their way to a real server of Label Studio and back, where its command is given."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from assay.corpus.entity import Entity
from assay.corpus.example import Example
from assay.corpus.overlay import Overlay
from assay.corpus.returned_labels import match_rows, read_documents, tool_of
from assay.corpus.returned_parts import ReadingRules
from assay.tasks.annotation.push import AnnotationServer, push_tasks
from tests.ports import free_port
from tests.tasks.annotation.test_push import MODEL, NAMES, TASK

COMMAND = os.environ.get("ASSAY_LABEL_STUDIO")
USER, TOKEN = "anna@example.org", "0123456789abcdef0123456789abcdef01234567"
START_SECONDS = 180

pytestmark = [
    # Its server migrates a database for a minute before it listens.
    pytest.mark.slow,
    pytest.mark.skipif(
        COMMAND is None,
        reason="pip install label-studio in an environment of its own, and set ASSAY_LABEL_STUDIO to its command",
    ),
]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A server with one user, reached with the token of that user."""
    pytest.importorskip("label_studio_sdk")
    assert COMMAND is not None
    folder, port = tmp_path_factory.mktemp("label-studio"), free_port()
    user = ["--username", USER, "--password", "a long enough password", "--user-token", TOKEN]
    environment = {**os.environ, "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true", "COLLECT_ANALYTICS": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [COMMAND, "start", "--no-browser", "--port", str(port), "--data-dir", str(folder), *user],
            env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            address, headers = f"http://127.0.0.1:{port}", {"Authorization": f"Token {TOKEN}"}
            with httpx.Client(base_url=address, headers=headers, timeout=30) as client:
                _wait(client, process, folder / "log")
                yield client
        finally:
            process.terminate()
            process.wait(30)


def _wait(client: httpx.Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if client.get("/health").is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    pytest.fail(f"Label Studio did not start: {log.read_text(errors='replace')[-2000:]}")


def test_tasks_are_annotated_on_a_real_server_and_come_back_as_corrections(
    studio: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOL_API_KEY", TOKEN)
    server = AnnotationServer(tool="label-studio", url=str(studio.base_url), key="env:TOOL_API_KEY", project="review")
    row = Example(TASK.id, TASK.text, label="bad", entities=())
    other = TASK.model_copy(update={"id": "r2"})

    push_tasks(server, [TASK], NAMES, MODEL)
    address = push_tasks(server, [other], NAMES, MODEL)  # the project is not created again

    (project,) = studio.get("/api/projects/").json()["results"]
    assert address == f"{server.url}/projects/{project['id']}/data"
    tasks = {one["data"]["row_id"]: one for one in _exported(studio, project["id"])}
    assert tasks.keys() == {"r1", "r2"}
    # A person accepts the proposal of one task.
    proposal = studio.get(f"/api/tasks/{tasks['r1']['id']}/").json()["predictions"][0]
    accepted = studio.post(f"/api/tasks/{tasks['r1']['id']}/annotations/", json={"result": proposal["result"]})
    assert accepted.is_success, accepted.text

    path = tmp_path / "export.json"
    path.write_text(json.dumps(_exported(studio, project["id"])), encoding="utf-8")
    documents, rules = read_documents(str(path)), ReadingRules(heads=["sentence", "tokens"], classes={"good", "bad"})
    returned = match_rows(documents, tool_of(documents, str(path)), {"r1": row}, Overlay([]), rules, path)
    (correction,) = returned.corrections
    assert (correction.id, correction.label, correction.entities) == ("r1", "good", (Entity(0, 6, "ORG"),))
    assert returned.undecided == 1
    assert returned.rejected == []


def _exported(studio: httpx.Client, project: int) -> list[dict[str, Any]]:
    """Return the tasks of a project as its page exports them, also those that nobody has annotated."""
    response = studio.get(
        f"/api/projects/{project}/export", params={"exportType": "JSON", "download_all_tasks": "true"}
    )
    assert response.is_success, response.text
    tasks: list[dict[str, Any]] = response.json()
    return tasks
