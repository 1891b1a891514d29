"""The rules of `promtool check metrics`, by the parser of prometheus_client and by promtool where it is installed."""

import shutil
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

PROMTOOL = shutil.which("promtool")
RESERVED = ("_count", "_sum", "_bucket", "_total")


@pytest.fixture
def page(client: TestClient) -> str:
    """Return the metrics after a few requests."""
    client.post("/predict", json={"text": "good"})
    client.post("/predict", json={})
    return client.get("/metrics").text


def test_metrics_follow_the_rules_of_prometheus(page: str) -> None:
    for family in text_string_to_metric_families(page):
        assert family.documentation, family.name
        if family.type == "counter":
            assert {sample.name for sample in family.samples} <= {f"{family.name}_total"}
        elif family.type == "gauge":
            assert not family.name.endswith(RESERVED), family.name
        assert not any(word in family.name for word in ("milliseconds", "_ms", "kilobytes"))


def test_metrics_hold_the_standard_ones_of_the_process(page: str) -> None:
    names = {family.name for family in text_string_to_metric_families(page)}
    assert {"process_resident_memory_bytes", "process_cpu_seconds", "process_start_time_seconds"} <= names


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed; apt-get install prometheus")
def test_promtool_finds_nothing(page: str) -> None:
    done = subprocess.run([str(PROMTOOL), "check", "metrics"], input=page, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
