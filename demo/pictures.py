"""Take screenshots of the server's page for the docs, with the demo's model: `make demo`, then `make pictures`.

Chromium is required, as for the tests of the page.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.request import urlopen

from playwright.sync_api import Browser, expect, sync_playwright

from assay.corpus.errors import AssayError
from demo.__main__ import STORE

FOLDER = Path("docs/images")
BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome", "chromium-browser")
TEXTS = [
    "Even though David Olsen had hopes, Mandel Systems scraps its dividend, a bitter blow",
    "Customers in Dresden love the new service of Ericson Air according to Hannah Meyer 😀",
]


class Picture(NamedTuple):
    """A screenshot: its name, the screen, and the texts to predict."""

    name: str
    scheme: Literal["light", "dark"]
    width: int
    texts: list[str]


PICTURES = [
    Picture("page-light", "light", 900, TEXTS),
    Picture("page-dark", "dark", 900, TEXTS),
    Picture("page-phone", "light", 390, TEXTS[1:]),
]


def main() -> None:
    """Take all screenshots."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise AssayError(f"none of {', '.join(BROWSERS)} is installed; apt-get install chromium-headless-shell")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium has no sandbox for root
    with served() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        for picture in PICTURES:
            take(browser, url, picture)
        browser.close()


@contextmanager
def served() -> Iterator[str]:
    """Serve the demo's champion in the block, and return the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    model = ["--model", "models:/demo-news@champion", "--store", str(STORE)]
    command = [sys.executable, "-m", "assay.cli", "serve", *model, "--port", str(port)]
    with subprocess.Popen(command) as process:  # noqa: S603  # our own command
        try:
            wait(f"http://127.0.0.1:{port}/v2/health/ready", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the server responds.

    Raises:
        AssayError: the server has ended before.
    """
    while process.poll() is None:
        try:
            urlopen(url)  # noqa: S310  # our own address
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssayError("the server ended before it responded; run make demo first")


def take(browser: Browser, url: str, picture: Picture) -> None:
    """Predict the texts and take the screenshot."""
    with browser.new_context(
        color_scheme=picture.scheme, viewport={"width": picture.width, "height": 600}, reduced_motion="reduce"
    ) as context:
        page = context.new_page()
        page.goto(url)
        page.locator("#facts li").first.wait_for()
        page.locator("#text").fill("\n".join(picture.texts))
        page.keyboard.press("Control+Enter")
        expect(page.locator("#rows > li")).to_have_count(len(picture.texts))
        page.locator("summary").first.click()
        page.screenshot(path=FOLDER / f"{picture.name}.png", full_page=True)


if __name__ == "__main__":
    main()
