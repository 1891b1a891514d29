"""A real browser on a real server."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.bundles import build_bundle
from tests.servers import Server, serving
from tests.serving.conftest import CLASSES, ENTITIES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome", "chromium-browser")


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the toy, which many servers may share."""
    folder = tmp_path_factory.mktemp("toy")
    build_bundle(folder, CLASSES, ENTITIES)
    return folder


@pytest.fixture(scope="module")
def server(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on the toy."""
    with serving(bundle, tmp_path_factory.mktemp("server") / "log") as running:
        yield running


# Of a module, since its event loop is that of the thread while it is open.
@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Debian's Chromium, or Chrome."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed; apt-get install chromium-headless-shell")
    # Chromium refuses to be sandboxed for root, and what it opens here is our own page.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: "Browser", server: Server) -> "Iterator[Page]":
    """The page, open, with the facts of the model in it; no script may fail and no rule of the policy may bite."""
    context = browser.new_context()
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda line: complaints.append(line.text) if "Content Security" in line.text else None)
    opened.goto(server.url)
    opened.locator("#facts li").first.wait_for()
    yield opened
    context.close()
    assert complaints == []
