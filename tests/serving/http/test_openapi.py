import re
from html.parser import HTMLParser
from typing import Any

from starlette.testclient import TestClient

from assay.serving.http import openapi
from tests.numbers import unbounded_numbers


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
            assert ("requestBody" in operation) == (method == "post")
            names = re.findall(r"\{(\w+)\}", path)
            assert [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"] == names


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
    assert not page.tags & {"script", "style", "iframe", "img", "link"}
    assert all(link == "openapi.json" or link.startswith("#") for link in page.links)
    for path in openapi.document()["paths"]:
        assert path in response.text


def test_document_bounds_every_number_of_a_request() -> None:
    document = openapi.document()
    schemas = document["components"]["schemas"]
    requests = {name: schema for name, schema in schemas.items() if "Response" not in name}
    # The server sends these numbers, not the client.
    parts = ("EntityResponse", "RowResponse", "OutputTensor")
    requests = {name: schema for name, schema in requests.items() if name not in parts}
    assert "InputTensor" in requests
    assert list(unbounded_numbers([requests, document["paths"]])) == []
