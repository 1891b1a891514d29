"""What steps know of Prefect and show in its UI. Outside a flow run they do nothing, and run as plain functions."""

from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext, TaskRunContext


def current_flow_run() -> FlowRun | None:
    """The flow run that the caller runs in; None outside of one."""
    context = FlowRunContext.get()
    return context.flow_run if context else None


def in_prefect_run() -> bool:
    """Whether the caller runs inside a Prefect flow or task run."""
    return FlowRunContext.get() is not None or TaskRunContext.get() is not None


def show_markdown(key: str, markdown: str, description: str) -> None:
    """Show Markdown as an artifact; artifacts of one key form a history.

    Args:
        key: lower case letters, digits and hyphens.
        markdown: not indented, else Prefect shows it as code.
        description: one line.
    """
    if in_prefect_run():
        create_markdown_artifact(markdown, key=key, description=description)
