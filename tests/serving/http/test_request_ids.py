import pytest
from starlette.testclient import TestClient

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_id_and_traceparent_of_a_request_are_returned(client: TestClient) -> None:
    sent = {"X-Request-Id": "abc-1", "Traceparent": TRACE}
    for path, body in (("/predict", {"text": "good"}), ("/predict", {}), ("/nowhere", {})):
        headers = client.post(path, json=body, headers=sent).headers
        assert (headers["x-request-id"], headers["traceparent"]) == ("abc-1", TRACE)


@pytest.mark.parametrize("sent", ["", "two words", "x" * 129, "ä"])
def test_invalid_id_is_replaced(client: TestClient, sent: str) -> None:
    headers = client.get("/ping", headers=[(b"x-request-id", sent.encode("latin-1"))]).headers
    assert len(headers["x-request-id"]) == 32
    assert "traceparent" not in headers
