"""prefect.yaml: what it deploys is there, and says how and when."""

import math
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from prefect import Flow
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
from prefect.exceptions import ParameterTypeError
from prefect.utilities.templating import find_placeholders

from assay.deployments.automations import START
from assay.deployments.build_steps import RECIPES, values
from assay.deployments.deploy import POOLS, PREFECT_FILE, pattern_for
from assay.recipes.loader import SHIPPED, parse_recipe
from tests.flows.tiny import make_recipe, write_rows
from tests.numbers import unbounded_numbers

PREFECT: dict[str, Any] = yaml.safe_load(PREFECT_FILE.read_text(encoding="utf-8"))
DEPLOYMENTS: list[dict[str, Any]] = PREFECT["deployments"]


def flow_of(deployment: dict[str, Any]) -> "Flow[..., Any]":
    module, _, name = deployment["entrypoint"].rpartition(".")
    found = getattr(import_module(module), name)
    assert isinstance(found, Flow)
    return found


def name_of(deployment: dict[str, Any]) -> str:
    return f"{flow_of(deployment).name}/{deployment['name']}"


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=name_of)
def test_a_deployment_starts_a_flow_that_takes_its_parameters_on_a_pool_that_is_made(
    deployment: dict[str, Any],
) -> None:
    assert deployment["work_pool"]["name"] in POOLS
    assert set(deployment.get("parameters", {})) <= set(flow_of(deployment).parameters.properties)
    for trigger in deployment.get("triggers", []):
        DeploymentEventTrigger(**trigger, name="any")


@pytest.mark.parametrize("entrypoint", sorted({deployment["entrypoint"] for deployment in DEPLOYMENTS}))
def test_no_number_that_a_deployed_flow_takes_is_without_bounds(entrypoint: str) -> None:
    parameters = flow_of({"entrypoint": entrypoint}).parameters
    assert parameters.properties
    assert list(unbounded_numbers(parameters.model_dump())) == []


@pytest.mark.parametrize("value", [-1, 0, 1e10, math.nan, math.inf])
@pytest.mark.parametrize(
    ("entrypoint", "given"),
    [
        (
            "assay.flows.monitoring.monitor",
            lambda value: {"model": "m", "window": {"address": "a", "timeout_s": value}},
        ),
        ("assay.flows.recovery.recover", lambda value: {"flow_run_id": str(uuid4()), "most_starts": value}),
        ("assay.flows.recovery.recover", lambda value: {"flow_run_id": str(uuid4()), "patience_s": value or -1}),
        (
            "assay.flows.inference.predict",
            lambda value: {"model": "m", "input": "i", "output": "o", "shard_rows": value},
        ),
    ],
)
def test_a_number_out_of_bounds_is_refused_before_the_flow_runs(
    entrypoint: str, given: Callable[[float], dict[str, Any]], value: float
) -> None:
    flow = flow_of({"entrypoint": entrypoint})
    with pytest.raises(ParameterTypeError):
        flow.validate_parameters(given(value))
    assert flow.should_validate_parameters


def test_every_shipped_recipe_is_trained_on_demand_by_schedule_and_on_drift() -> None:
    names = [name_of(deployment) for deployment in DEPLOYMENTS]
    assert len(names) == len(set(names))
    for path in SHIPPED.glob("*.yaml"):
        for when in ("on-demand", "weekly", "on-drift"):
            [found] = [one for one in DEPLOYMENTS if one["name"] == f"{path.stem}-{when}"]
            assert found["parameters"]["recipe"] == "{{ assay.recipes." + path.stem + " }}"
            assert bool(found.get("schedules")) == (when == "weekly")
            assert found.get("triggers", [{}])[0].get("expect") == (["assay.drift"] if when == "on-drift" else None)
    assert {"predict/on-demand", "rollback/on-demand", "recover/on-crash"} <= set(names)


def test_the_gpu_holds_one_run() -> None:
    assert POOLS["assay-gpu"] == 1


def test_a_run_keeps_its_place_as_long_as_it_may_take_to_begin() -> None:
    limits = [ConcurrencyLimitConfig(**one["concurrency_limit"]) for one in DEPLOYMENTS if "concurrency_limit" in one]
    assert {limit.grace_period_seconds for limit in limits} == {START.total_seconds()}


def test_values_stand_for_all_braces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASSAY_STORE", raising=False)
    given = values()
    assert given["store"] == str(tmp_path / ".assay")
    for name, recipe in given["recipes"].items():
        assert parse_recipe(recipe, name).name == name
    wanted = {found.name for found in find_placeholders(DEPLOYMENTS)}
    assert wanted == {
        "assay.folder",
        "assay.store",
        "flow_run.id",
        *(f"assay.recipes.{name}" for name in given["recipes"]),
    }


def test_a_recipe_of_ones_own_is_deployed_as_the_pattern_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(make_recipe(write_rows(tmp_path / "rows.jsonl")).model_dump(mode="json")))
    monkeypatch.setenv(RECIPES, str(file))

    found = pattern_for(["tiny"])["deployments"]

    assert [one["name"] for one in found] == ["tiny-on-demand", "tiny-weekly", "tiny-on-drift"]
    assert found[2]["triggers"][0]["match"] == {"prefect.resource.id": "assay.model.*", "assay.recipe": "tiny"}
    assert {one["parameters"]["recipe"] for one in found} == {"{{ assay.recipes.tiny }}"}
    assert values()["recipes"]["tiny"]["registry"]["name"] == "tiny"


@pytest.mark.parametrize("name", ["news", "on"])
def test_a_name_that_others_begin_with_takes_nothing_of_theirs(name: str) -> None:
    found = pattern_for([name])["deployments"]
    assert [one["name"] for one in found] == [f"{name}-on-demand", f"{name}-weekly", f"{name}-on-drift"]
    assert found[0]["tags"] == ["assay", "training", name]


def test_docker_and_kubernetes_pools_are_described_with_settings_that_their_workers_know() -> None:
    # Prefect ships what each kind of worker can be told.
    import prefect.server.api.collections_data.views as views

    text = (Path(str(views.__path__[0])) / "aggregate-worker-metadata.json").read_text(encoding="utf-8")
    known = {kind: workers for one in yaml.safe_load(text).values() for kind, workers in one.items()}
    for kind in ("docker", "kubernetes"):
        variables = known[kind]["default_base_job_configuration"]["variables"]["properties"]
        assert set(PREFECT["definitions"]["pools"][kind]["job_variables"]) <= set(variables)
