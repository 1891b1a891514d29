"""Servers that speak as much HTTP of Label Studio and of Argilla as their SDKs need to take tasks."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NOW = "2026-11-20T10:00:00.000000Z"
Answer = Callable[[str, str, Any], Any]


class FakeServer:
    """A server that answers by a function of method, path and body, and remembers every request."""

    def __init__(self, answer: Answer, status: int = 200) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.authorization: set[str] = set()
        self.url = ""
        self._answer = answer
        self._status = status

    def bodies(self, method: str, ending: str) -> list[Any]:
        """Return the bodies of the requests to a path."""
        return [
            body for verb, path, body in self.requests if verb == method and path.partition("?")[0].endswith(ending)
        ]

    @contextmanager
    def listening(self) -> Iterator["FakeServer"]:
        """Serve on a free port until the block ends."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def _handle(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                fake.requests.append((self.command, self.path, body))
                fake.authorization.add(self.headers.get("Authorization") or self.headers.get("X-Argilla-Api-Key") or "")
                content = json.dumps(fake._answer(self.command, self.path, body)).encode()
                self.send_response(fake._status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = _handle  # noqa: N815  # names of http.server

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


def label_studio(projects: list[dict[str, Any]]) -> Answer:
    """Return the answers of a Label Studio with these projects."""

    def answer(method: str, path: str, body: Any) -> Any:
        if path.partition("?")[0] == "/api/projects/" and method == "GET":
            return {"count": len(projects), "next": None, "previous": None, "results": projects}
        if path == "/api/projects/":
            return {"id": 7, **body}
        if path.endswith("/import"):
            return {"task_count": len(body), "annotation_count": 0, "predictions_count": len(body)}
        return {}

    return answer


def argilla() -> Answer:
    """Return the answers of an Argilla with one workspace and no data set."""
    names = ("user", "workspace", "dataset")
    ids = {name: str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in names}
    parts: dict[str, list[dict[str, Any]]] = {"fields": [], "questions": [], "metadata-properties": []}
    dates = {"inserted_at": NOW, "updated_at": NOW}
    workspace = {"id": ids["workspace"], "name": "team", **dates}
    dataset: dict[str, Any] = {"id": ids["dataset"], "workspace_id": ids["workspace"], "last_activity_at": NOW, **dates}

    def answer(method: str, path: str, body: Any) -> Any:
        name = path.partition("?")[0].removeprefix("/api/v1/")
        last = name.rpartition("/")[2]
        if name == "me":
            return {"id": ids["user"], "username": "anna", "role": "owner", "first_name": "Anna", **dates}
        if name in ("me/workspaces", "workspaces"):
            return {"items": [workspace]}
        if name == "me/datasets":
            return {"items": [dataset] if "name" in dataset else []}
        if last in parts and method == "POST":
            parts[last].append({"id": str(uuid.uuid4()), "dataset_id": ids["dataset"], **body, **dates})
            return parts[last][-1]
        if last in parts or last == "vectors-settings":
            return {"items": parts.get(last, [])}
        if last == "bulk":
            return {
                "items": [{"id": str(uuid.uuid4()), **item, "suggestions": [], **dates} for item in body["items"]],
                "updated_items": [],
            }
        if name == "datasets":
            dataset.update(body, id=ids["dataset"], workspace_id=ids["workspace"])
        if last == "publish":
            dataset["status"] = "ready"
        return workspace if name.startswith("workspaces/") else {"status": "draft", **dataset}

    return answer
