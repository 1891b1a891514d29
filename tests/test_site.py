"""The documentation site builds without a warning, and its reference pages match the code."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.reference import PAGES, commands_page, recipe_page

ROOT = Path(__file__).parent.parent


def build(source: Path, target: Path) -> "subprocess.CompletedProcess[str]":
    """Build a site as `make docs` does, from these pages."""
    options = [
        "--fail-on-warning",
        "--keep-going",
        "--fresh-env",
        "--conf-dir",
        str(ROOT / "docs"),
        "--builder",
        "html",
    ]
    command = [sys.executable, "-m", "sphinx", *options, str(source), str(target)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("name", "page"), [("recipe", recipe_page), ("commands", commands_page)])
def test_reference_pages_match_the_code(name: str, page: Callable[[], str]) -> None:
    written = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert written == page(), f"docs/reference/{name}.md is out of date; run make docs"


def test_recipe_page_shows_type_limits_default_and_meaning_of_a_key() -> None:
    lines = recipe_page().splitlines()
    assert "## `gate.champion`" in lines
    assert "## `source`, kind mongo" in lines
    [margin] = [line for line in lines if line.startswith("| `margin`")]
    assert margin.startswith("| `margin` | number ≥ 0, < 1 | `0.01` | Non-inferiority margin:")
    [database] = [line for line in lines if line.startswith("| `database`")]
    assert "**required**" in database


@pytest.mark.slow  # the reference imports the whole pipeline
def test_site_builds_without_a_warning(tmp_path: Path) -> None:
    built = build(ROOT / "docs", tmp_path)
    assert built.returncode == 0, built.stderr
    home = (tmp_path / "index.html").read_text(encoding="utf-8")
    for caption in ("Tutorial", "How-to", "Reference", "Architecture", "Results"):
        assert f'<span class="caption-text">{caption}</span>' in home
    python = (tmp_path / "reference" / "python.html").read_text(encoding="utf-8")
    for name in (
        "assay.serving.engine.Engine.predict",
        "assay.serving.bundle.Bundle.load",
        "assay.flows.training.train",
    ):
        assert f'id="{name}"' in python
    for page in tmp_path.rglob("*.html"):
        for source in re.findall(r'<(?:img|source)[^>]* src(?:set)?="([^"]+)"', page.read_text(encoding="utf-8")):
            assert (page.parent / source).exists(), f"{page.name}: {source}"


def test_site_build_fails_at_a_broken_link(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "index.md").write_text("# Home\n\n[there](#home), [gone](gone.md), [lost](index.md#lost)\n")
    built = build(pages, tmp_path / "site")
    assert built.returncode != 0
    assert "gone.md" in built.stderr
    assert "lost" in built.stderr
    assert "there" not in built.stderr
