import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from starlette.testclient import TestClient

from assay.serving.bundle import Bundle
from assay.serving.http import openapi
from assay.serving.http.protocols.invocation_bodies import CONTENT_TYPES
from tests.numbers import unbounded_numbers
from tests.serving.http.conftest import Listen, Serve


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(references(item) for item in value))
    return set()


def test_document_defines_every_reference(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    paths = references(document)
    assert "#/components/schemas/PredictRequest" in paths
    assert {name.rpartition("/")[2] for name in paths} <= set(document["components"]["schemas"])


def test_document_lists_paths_that_exist(client: TestClient) -> None:
    # Given paths with their parameters filled in,
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        filled = re.sub(r"\{model\}", "toy", path).replace("{version}", "3")
        for method, operation in methods.items():
            # then none of them is unknown, and the POST operations describe their body.
            status = client.request(method.upper(), filled).status_code
            assert status not in (404, 405) or filled == "/card", path
            assert ("requestBody" in operation) == (method == "post" and path != "/v2/repository/index")
            names = re.findall(r"\{(\w+)\}", path)
            assert [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"] == names


def check_described(document: dict[str, Any], path: str, response: Response) -> None:
    """Check that a response has a status, a content type and a body that the document describes."""
    operation = document["paths"][path][response.request.method.lower()]
    content = operation["responses"][str(response.status_code)]["content"]
    kind = response.headers["content-type"].partition(";")[0]
    assert kind in content, (path, response.status_code)
    if kind == "application/json":
        schema = {**content[kind]["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(response.json())


def fill(path: str) -> str:
    return path.replace("{model}", "toy").replace("{version}", "3")


def test_document_describes_the_errors_of_every_operation(serve: Serve, toy: Bundle) -> None:
    document = openapi.document()
    guarded, local, other = serve(toy, token="t" * 16), serve(toy), serve(toy)
    for path, methods in document["paths"].items():
        for method in methods:
            # Given a missing token, a host name and a page of another site, and names of no model,
            responses = [
                guarded.request(method, fill(path)),
                local.request(method, fill(path), headers={"Host": "example.org"}),
                local.request(method, fill(path), headers={"Origin": "https://example.org"}),
                local.request(method, path.replace("{model}", "none").replace("{version}", "3")),
                local.request(method, fill(path), params={"model": "none"}),
            ]
            for response in responses:
                if response.status_code != 200:
                    check_described(document, path, response)
    # and a server that stops.
    other.app.state.shedder._model_calls.models.default.draining = True  # type: ignore[attr-defined]
    for path in ("/ping", "/health", "/v2/health/ready", "/v2/models/{model}/ready"):
        response = other.get(fill(path))
        assert response.status_code == 503
        check_described(document, path, response)


def test_document_names_every_content_type_that_an_operation_takes(client: TestClient) -> None:
    document = openapi.document()
    described = document["paths"]["/invocations"]["post"]["requestBody"]["content"]
    assert set(described) == set(CONTENT_TYPES)
    for kind, content in described.items():
        body = content.get("example", '{"instances": ["good"]}')
        for accept in ("application/json", "application/jsonlines"):
            response = client.post("/invocations", content=body, headers={"Content-Type": kind, "Accept": accept})
            assert (response.status_code, response.headers["content-type"]) == (200, accept)
            check_described(document, "/invocations", response)
        broken = client.post("/invocations", content=b"\xff", headers={"Content-Type": kind})
        assert broken.status_code == 400
        check_described(document, "/invocations", broken)
    # Tensors may be binary data, in and out.
    path = "/v2/models/{model}/infer"
    head = json.dumps({"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "parameters": SIZE}], **BINARY})
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    assert "application/octet-stream" in document["paths"][path]["post"]["requestBody"]["content"]
    response = client.post(fill(path), content=head.encode() + b"\4\0\0\0good", headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/octet-stream")
    check_described(document, path, response)


SIZE = {"binary_data_size": 8}
BINARY = {"parameters": {"binary_data_output": True}}


def test_document_types_the_response_of_every_get(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(set(ids)) == len(ids)
    for path, methods in document["paths"].items():
        for method in methods:
            check_described(document, path, client.request(method, fill(path)))


@pytest.mark.slow  # generates a package and imports it
def test_generated_client_predicts(listen: Listen, toy: Bundle, tmp_path: Path) -> None:
    pytest.importorskip("openapi_python_client", reason="openapi-python-client is not installed")
    server = listen(toy)
    (tmp_path / "openapi.json").write_text(json.dumps(openapi.document()), encoding="utf-8")
    options = ["--path", "openapi.json", "--meta", "none", "--output-path", "assay_client"]
    command = [sys.executable, "-m", "openapi_python_client", "generate", *options]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-c", GENERATED, server.url], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.split()) == (0, ["up", "toy", "True", "422"]), done.stderr


GENERATED = """
import sys
from assay_client import Client
from assay_client.api.default import get_model, is_ready, predict
from assay_client.models import PredictRequest

client = Client(sys.argv[1])
predicted = predict.sync(client=client, body=PredictRequest(text="good Apple"), top_k=1)
print(predicted.predictions[0].label, get_model.sync(client=client).name, is_ready.sync(client=client).ready)
print(predict.sync_detailed(client=client, body=PredictRequest(text=" ")).status_code.value)
"""


def test_document_has_valid_examples(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    (example,) = schemas["PredictRequest"]["examples"]
    assert client.post("/predict", json=example).status_code == 200
    tensor = {
        name: field["examples"][0]
        for name, field in schemas["InputTensor"]["properties"].items()
        if "examples" in field
    }
    assert client.post("/v2/models/toy/infer", json={"inputs": [tensor]}).status_code == 200


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


def test_page_is_self_contained(client: TestClient) -> None:
    response = client.get("/docs")
    page = Tags()
    page.feed(response.text)
    assert not page.tags & {"script", "style", "iframe", "img"}
    assert all(link == "openapi.json" or link.startswith(("#", "data:")) for link in page.links)
    for path in openapi.document()["paths"]:
        assert path in response.text


def test_document_bounds_every_number_of_a_request() -> None:
    document = openapi.document()
    schemas = document["components"]["schemas"]
    requests = {name: schema for name, schema in schemas.items() if "Response" not in name}
    # The server sends these numbers, not the client.
    parts = ("EntityResponse", "RowResponse", "OutputTensor", "IndexEntry")
    requests = {name: schema for name, schema in requests.items() if name not in parts}
    assert "InputTensor" in requests
    assert list(unbounded_numbers([requests, document["paths"]])) == []
