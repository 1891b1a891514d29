"""The Jinja environment of the model card and of other pages in its style."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from assay.corpus.markdown import cell
from assay.evaluation.metrics import HEAD_NOUNS


def template_environment(folder: Path) -> Environment:
    """Return the environment of a folder's templates.

    It has `style.css.j2`, the filter `cell` for Markdown cells, and `HEAD_NOUNS`.
    """
    environment = Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell
    environment.globals["HEAD_NOUNS"] = HEAD_NOUNS
    return environment
