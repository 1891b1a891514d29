"""The `assay` command. Heavy packages are imported inside the commands that need them."""

from typing import TYPE_CHECKING, Any

from assay.cli.stopping import stoppable

if TYPE_CHECKING:
    from assay.cli.command import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command. Signals are handled before anything else is imported."""
    with stoppable():
        from assay.cli.command import main as call

        call()


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(name)
    from assay.cli.command import app

    return app
