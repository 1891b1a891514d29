"""The `assay` command. Heavy packages are imported by the command that needs them."""

from cli.command import app, main

__all__ = ["app", "main"]
