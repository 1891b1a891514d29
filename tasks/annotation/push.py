"""Push tasks to the server of an annotation tool."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field

from assay.corpus.errors import AssayError, first_line
from assay.corpus.extras import install_command
from assay.evaluation.labels.label_issue import LabelTask
from assay.evaluation.labels.task_formats import LabelNames
from assay.runs.source_access import resolve_address
from assay.tasks.annotation.argilla_dataset import push_to_argilla
from assay.tasks.annotation.label_studio_project import push_to_label_studio

ServerKind = Literal["label-studio", "argilla"]
Push = Callable[["AnnotationServer", str, Sequence[LabelTask], LabelNames, str], str]
# The extra that installs the SDK of each tool.
EXTRAS: Mapping[ServerKind, str] = {"label-studio": "label-studio", "argilla": "argilla"}


class AnnotationServer(BaseModel):
    """A server of an annotation tool, and the project that takes the tasks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: ServerKind
    url: str = Field(pattern=r"^https?://", description="Address of the server")
    key: str = Field(
        # Whoever starts the flow names address and variable: no other secret of the worker may be sent.
        pattern="^(env:[A-Z0-9_]*API_KEY|block:.+)$",
        description="Where to read the API key: env:VARIABLE, whose name ends with API_KEY, or block:NAME of a Prefect "
        "Secret",
    )
    project: str = Field(
        min_length=1,
        description="Project of Label Studio or data set of Argilla; created if there is none of this name",
    )
    workspace: str | None = Field(None, description="Workspace of Argilla. None: the first one of the user")


def push_tasks(server: AnnotationServer, tasks: Sequence[LabelTask], names: LabelNames, model: str) -> str:
    """Add tasks to a project, and return its address.

    Args:
        server: server and project.
        tasks: the tasks.
        names: classes and entity types of the model, for a new project.
        model: address of the model that made the proposals.

    Raises:
        AssayError: the SDK is not installed, the server does not respond, or it refuses the tasks.
    """
    key = resolve_address(server.key, "key")
    push: Mapping[ServerKind, Push] = {"label-studio": push_to_label_studio, "argilla": push_to_argilla}
    try:
        return push[server.tool](server, key, tasks, names, model)
    except ImportError as error:
        command = install_command(EXTRAS[server.tool])
        raise AssayError(f"{server.tool} is reached through its SDK, which is not installed; run {command}") from error
    except httpx.HTTPError as error:
        raise AssayError(f"{server.url} is not responding ({first_line(error)}); check the address") from error
    except AssayError:
        raise
    except Exception as error:  # each SDK raises errors of its own for a response that it does not expect
        raise AssayError(
            f"{server.url} refused the tasks: {type(error).__name__}: {first_line(error)}; check key, project and "
            f"workspace, and that this version of {server.tool} suits its installed SDK"
        ) from error
