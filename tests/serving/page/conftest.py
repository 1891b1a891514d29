"""A real browser and a real server."""

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
    """Return the folder of the toy bundle, which several servers share."""
    folder = tmp_path_factory.mktemp("toy")
    build_bundle(folder, CLASSES, ENTITIES)
    return folder


@pytest.fixture(scope="module")
def server(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server of the toy bundle."""
    with serving(bundle, tmp_path_factory.mktemp("server") / "log") as running:
        yield running


# Its scope is a module, since an open browser occupies the event loop of the thread.
@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Launch Debian's Chromium, or Chrome."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed; apt-get install chromium-headless-shell")
    # Chromium has no sandbox for root, and the tests open only the project's own page.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: "Browser", server: Server) -> "Iterator[Page]":
    """Open the page and wait for the facts of the model; a script error or a policy violation fails the test."""
    context = browser.new_context()
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda line: errors.append(line.text) if "Content Security" in line.text else None)
    opened.goto(server.url)
    opened.locator("#facts li").first.wait_for()
    yield opened
    context.close()
    assert errors == []
