"""The Jinja environment of the model card and of other pages in its style."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from assay.corpus.markdown import cell


def template_environment(folder: Path) -> Environment:
    """Return the environment of a folder's templates, with `style.css.j2` and the filter `cell` for Markdown cells."""
    environment = Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell
    return environment
