"""Pages of other sites in a browser: what they send without asking is not computed."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.servers import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BODY = """new Blob(['{"text": "good"}'])"""
SENDERS = {
    "blob": f"url => fetch(url, {{method: 'POST', mode: 'no-cors', body: {BODY}}})",
    "beacon": f"url => navigator.sendBeacon(url, {BODY})",
    "bytes": """url => fetch(url, {method: 'POST', mode: 'no-cors', body: new Uint8Array(9)})""",
}


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """Serve an empty page on another host name."""
    site = ThreadingHTTPServer(("localhost", 0), _Page)
    threading.Thread(target=site.serve_forever).start()
    yield f"http://localhost:{site.server_port}/"
    site.shutdown()
    site.server_close()


def metric(server: Server, start: str) -> float:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))


@pytest.mark.parametrize("sender", SENDERS)
def test_foreign_page_gets_nothing_computed(browser: "Browser", server: Server, elsewhere: str, sender: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(elsewhere)
    computed = metric(server, "assay_inference_count_total")
    with page.expect_event("response", lambda response: response.url.startswith(server.url)) as answered:
        page.evaluate(SENDERS[sender], f"{server.url}/predict")
    assert (answered.value.request.method, answered.value.status) == ("POST", 403)
    assert metric(server, "assay_inference_count_total") == computed
    context.close()
