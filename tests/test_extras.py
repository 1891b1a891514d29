"""Pages and errors name the extras that exist, and install them in one way: from a checkout."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.corpus.extras import install_command

ROOT = Path(__file__).parent.parent
EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
# Their own extras of each other; this file.
EXEMPT = {"pyproject.toml", "tests/test_extras.py"}
FROM_CHECKOUT = re.compile(r"pip install -c constraints\.txt '\.\[([a-z0-9,-]+)\]'")


def texts() -> Iterator[tuple[str, str]]:
    """Yield path and text of each tracked page and module, as well as of new ones."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md", "*.py"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in sorted(set(names) - EXEMPT):
        if (ROOT / name).is_file():
            yield name, (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return dict(texts())


def test_nothing_tells_to_install_a_package_that_the_checkout_is_not(pages: dict[str, str]) -> None:
    assert len(pages) > 500
    other = {name: match[0] for name, text in pages.items() if (match := re.search(r"\bassay\[[a-z0-9,-]+\]", text))}
    assert other == {}


def test_pages_install_extras_that_exist_in_the_way_of_the_errors(pages: dict[str, str]) -> None:
    named = {(name, extras) for name, text in pages.items() for extras in FROM_CHECKOUT.findall(text)}
    assert {"README.md", "docs/howto/ray.md", "docs/serving.md"} <= {name for name, _ in named}
    assert {extra for _, extras in named for extra in extras.split(",")} <= EXTRAS
    for name, text in pages.items():
        if name.endswith(".md"):
            assert text.count("'.[") == len(FROM_CHECKOUT.findall(text)), name


def test_errors_install_extras_that_exist(pages: dict[str, str]) -> None:
    asked = re.compile(r"""install_command\(["']([a-z0-9-]+)["']\)""")
    named = {extra for name, text in pages.items() if name != "corpus/extras.py" for extra in asked.findall(text)}
    assert {"train", "registry", "mongo", "excel", "s3"} <= named <= EXTRAS
    written = {name for name, text in pages.items() if name.endswith(".py") and FROM_CHECKOUT.search(text)}
    assert written == set(), "call install_command"
    assert FROM_CHECKOUT.search(install_command("train"))


def test_help_and_pages_name_extras_that_exist(pages: dict[str, str]) -> None:
    named = {extra for text in pages.values() for extra in re.findall(r"needs the extra `?([a-z0-9-]+)`?", text)}
    assert {"grpc", "otel", "openvino", "excel", "mongo", "spacy"} <= named <= EXTRAS
