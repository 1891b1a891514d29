"""Sphinx configuration: `make docs` builds the site from the pages of this folder, and fails at a broken link."""

import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parents[1]))  # autodoc imports the package from the checkout

project = "Assay"
html_title = "Assay"
author = "the authors of Assay"
extensions = [
    "myst_parser",  # Markdown, as on GitHub
    "sphinx.ext.autodoc",  # reference from docstrings
    "sphinx.ext.napoleon",  # the docstrings are Google's style
]
html_theme = "furo"
html_show_sphinx = False
exclude_patterns = ["_build"]
# Anchors of headings (`deploying.md#vertex-ai`), named as on GitHub; a wrong one is a warning, and warnings are errors.
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"exclude-members": "model_config"}
napoleon_use_rtype = False


def setup(app: Sphinx) -> None:
    """Copy the images as well: Sphinx copies only those in Markdown syntax, not those in HTML."""
    app.connect("build-finished", _copy_pictures)


def _copy_pictures(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        shutil.copytree(Path(__file__).parent / "images", app.outdir / "images", dirs_exist_ok=True)
