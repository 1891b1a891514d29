import base64
import hashlib
import re

from assay.serving.page import load_page


def test_load_page_allows_only_its_own_script_and_style() -> None:
    html, headers = load_page()
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        [body] = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert policy[directive] == f"'sha256-{digest}'"
    assert "unsafe" not in headers["Content-Security-Policy"]


def test_load_page_refers_to_no_other_server() -> None:
    html = load_page().html
    assert re.findall(r"""(?:src|href)\s*[=:]\s*["'](?!data:|card)""", html) == []
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", html) == []
