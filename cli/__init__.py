"""The `assay` command. Heavy packages are imported by the command that needs them."""

from typing import TYPE_CHECKING, Any

from cli.stopping import stoppable

if TYPE_CHECKING:
    from cli.command import app

__all__ = ["app", "main"]


def main() -> None:
    """Entry point: signals are heard before anything else is imported."""
    with stoppable():
        from cli.command import main as call

        call()


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(name)
    from cli.command import app

    return app
