"""The documentation site builds without a warning, and its reference pages match the code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

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
