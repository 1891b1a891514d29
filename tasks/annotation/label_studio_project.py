"""Projects of Label Studio, through label-studio-sdk."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import httpx

from assay.evaluation.labels.label_issue import LabelTask
from assay.evaluation.labels.task_formats import LabelNames, label_studio_config, label_studio_task

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio

    from assay.tasks.annotation.push import AnnotationServer

TASKS_PER_REQUEST = 1_000
PAGE = 1_000
SECONDS = 60  # for a response, as in the SDK


def push_to_label_studio(
    server: "AnnotationServer", key: str, tasks: Sequence[LabelTask], names: LabelNames, model: str
) -> str:
    """Add tasks to the project of this title, with the proposals as predictions, and return its address.

    Raises:
        ImportError: label-studio-sdk is not installed.
    """
    from label_studio_sdk import LabelStudio

    # The SDK leaves the connections of a client of its own open.
    with httpx.Client(timeout=SECONDS, follow_redirects=True) as connections:
        client = LabelStudio(base_url=server.url, api_key=key, httpx_client=connections)
        return _add(client, server, tasks, names, model)


def _add(
    client: "LabelStudio", server: "AnnotationServer", tasks: Sequence[LabelTask], names: LabelNames, model: str
) -> str:
    # The title is a filter on parts of titles. One page is enough: the SDK would ask for pages behind the last one.
    found = client.projects.list(title=server.project, page_size=PAGE).items or []
    known = [project for project in found if project.title == server.project]
    project = (
        known[0] if known else client.projects.create(title=server.project, label_config=label_studio_config(names))
    )
    for begin in range(0, len(tasks), TASKS_PER_REQUEST):
        chunk = [label_studio_task(task, model) for task in tasks[begin : begin + TASKS_PER_REQUEST]]
        client.projects.import_tasks(id=project.id, request=chunk)
    return f"{server.url.rstrip('/')}/projects/{project.id}/data"
