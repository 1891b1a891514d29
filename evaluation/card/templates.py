"""How pages are made of templates: the card's, and others in its style."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from assay.corpus.markdown import cell


def template_environment(folder: Path) -> Environment:
    """Templates of a folder; they may include `style.css.j2`, and write cells of Markdown with the filter `cell`."""
    environment = Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell
    return environment
