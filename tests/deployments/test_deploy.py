"""prefect.yaml: its flows, parameters, pools, schedules and triggers exist."""

import math
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
from prefect.exceptions import ParameterTypeError
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.utilities.templating import find_placeholders

from assay.corpus.errors import AssayError
from assay.deployments.automations import START
from assay.deployments.build_steps import RECIPES, values
from assay.deployments.deploy import POOLS, PREFECT_FILE, deploy, deployments_for
from assay.recipes.loader import SHIPPED, parse_recipe
from tests.cli.calls import call
from tests.flows.tiny import make_recipe, write_rows
from tests.numbers import unbounded_numbers

PREFECT: dict[str, Any] = yaml.safe_load(PREFECT_FILE.read_text(encoding="utf-8"))
DEPLOYMENTS: list[dict[str, Any]] = PREFECT["deployments"]


def flow_of(deployment: dict[str, Any]) -> "Flow[..., Any]":
    module, _, name = deployment["entrypoint"].rpartition(".")
    flow = getattr(import_module(module), name)
    assert isinstance(flow, Flow)
    return flow


def name_of(deployment: dict[str, Any]) -> str:
    return f"{flow_of(deployment).name}/{deployment['name']}"


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=name_of)
def test_deployments_start_flows_with_their_parameters_on_existing_pools(
    deployment: dict[str, Any],
) -> None:
    assert deployment["work_pool"]["name"] in POOLS
    assert set(deployment.get("parameters", {})) <= set(flow_of(deployment).parameters.properties)
    for trigger in deployment.get("triggers", []):
        DeploymentEventTrigger(**trigger, name="any")


@pytest.mark.parametrize("entrypoint", sorted({deployment["entrypoint"] for deployment in DEPLOYMENTS}))
def test_deployed_flows_bound_every_number(entrypoint: str) -> None:
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
        ("assay.flows.recovery.recover", lambda value: {"flow_run_id": str(uuid4()), "max_starts": value}),
        ("assay.flows.recovery.recover", lambda value: {"flow_run_id": str(uuid4()), "patience_s": value or -1}),
        (
            "assay.flows.inference.predict",
            lambda value: {"model": "m", "input": "i", "output": "o", "shard_rows": value},
        ),
    ],
)
def test_deployed_flows_refuse_numbers_out_of_bounds(
    entrypoint: str, given: Callable[[float], dict[str, Any]], value: float
) -> None:
    flow = flow_of({"entrypoint": entrypoint})
    with pytest.raises(ParameterTypeError):
        flow.validate_parameters(given(value))
    assert flow.should_validate_parameters


def test_deployments_train_every_shipped_recipe_on_demand_by_schedule_and_on_drift() -> None:
    names = [name_of(deployment) for deployment in DEPLOYMENTS]
    assert len(names) == len(set(names))
    for path in SHIPPED.glob("*.yaml"):
        for when in ("on-demand", "weekly", "on-drift"):
            [entry] = [entry for entry in DEPLOYMENTS if entry["name"] == f"{path.stem}-{when}"]
            assert entry["parameters"]["recipe"] == "{{ assay.recipes." + path.stem + " }}"
            assert bool(entry.get("schedules")) == (when == "weekly")
            assert entry.get("triggers", [{}])[0].get("expect") == (["assay.drift"] if when == "on-drift" else None)
    assert {"predict/on-demand", "rollback/on-demand", "recover/on-crash"} <= set(names)


def test_pools_limit_the_gpu_to_one_run() -> None:
    assert POOLS["assay-gpu"] == 1


def test_deployments_grant_the_start_time_as_grace_period() -> None:
    limits = [
        ConcurrencyLimitConfig(**item["concurrency_limit"]) for item in DEPLOYMENTS if "concurrency_limit" in item
    ]
    assert {limit.grace_period_seconds for limit in limits} == {START.total_seconds()}


def test_values_fill_all_placeholders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASSAY_STORE", raising=False)
    build_values = values()
    assert build_values["store"] == str(tmp_path / ".assay")
    for name, recipe in build_values["recipes"].items():
        assert parse_recipe(recipe, name).name == name
    placeholders = {placeholder.name for placeholder in find_placeholders(DEPLOYMENTS)}
    assert placeholders == {
        "assay.folder",
        "assay.store",
        "flow_run.id",
        *(f"assay.recipes.{name}" for name in build_values["recipes"]),
    }


def test_deployments_for_a_user_recipe_follow_the_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(make_recipe(write_rows(tmp_path / "rows.jsonl")).model_dump(mode="json")))
    monkeypatch.setenv(RECIPES, str(file))

    deployments = deployments_for(["tiny"])["deployments"]

    assert [entry["name"] for entry in deployments] == ["tiny-on-demand", "tiny-weekly", "tiny-on-drift"]
    assert deployments[2]["triggers"][0]["match"] == {"prefect.resource.id": "assay.model.*", "assay.recipe": "tiny"}
    assert {entry["parameters"]["recipe"] for entry in deployments} == {"{{ assay.recipes.tiny }}"}
    assert values()["recipes"]["tiny"]["registry"]["name"] == "tiny"


@pytest.mark.parametrize("name", ["news", "on"])
def test_deployments_for_a_prefix_of_other_names_keep_those_apart(name: str) -> None:
    deployments = deployments_for([name])["deployments"]
    assert [entry["name"] for entry in deployments] == [f"{name}-on-demand", f"{name}-weekly", f"{name}-on-drift"]
    assert deployments[0]["tags"] == ["assay", "training", name]


def test_docker_and_kubernetes_pools_use_settings_of_their_workers() -> None:
    # Prefect ships the settings of each type of worker.
    import prefect.server.api.collections_data.views as views

    text = (Path(str(views.__path__[0])) / "aggregate-worker-metadata.json").read_text(encoding="utf-8")
    known = {kind: workers for collection in yaml.safe_load(text).values() for kind, workers in collection.items()}
    for kind in ("docker", "kubernetes"):
        variables = known[kind]["default_base_job_configuration"]["variables"]["properties"]
        assert set(PREFECT["definitions"]["pools"][kind]["job_variables"]) <= set(variables)


def write_recipe(folder: Path) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(make_recipe(write_rows(folder / "rows.jsonl", 4)).model_dump(mode="json")))
    return path


@pytest.mark.slow  # two calls of `prefect deploy`, which imports Prefect and the flows
@pytest.mark.usefixtures("deployable")
def test_deploy_command_creates_and_updates_the_trainings_of_a_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path)
    for _ in range(2):
        assert call(monkeypatch, "deploy", recipe) == 0
        deployed = ["train/tiny-on-demand", "train/tiny-on-drift", "train/tiny-weekly"]
        assert capsys.readouterr().out.splitlines() == deployed
        with get_client(sync_client=True) as client:
            assert {name: client.read_work_pool(name).concurrency_limit for name in POOLS} == POOLS
            entry = client.read_deployment_by_name("train/tiny-on-demand")
            assert entry.parameters["recipe"]["registry"]["name"] == "tiny"
            client.update_work_pool("assay-gpu", WorkPoolUpdate(concurrency_limit=7))


@pytest.mark.usefixtures("deployable")
def test_deploy_repeats_the_last_lines_of_prefect_where_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "prefect.yaml"
    broken.write_text("deployments:\n- {name: any, entrypoint: nowhere.py:flow, work_pool: {name: assay-cpu}}\n")
    monkeypatch.setattr("assay.deployments.deploy.PREFECT_FILE", broken)
    with pytest.raises(AssayError, match=r"prefect deploy failed: .*nowhere\.py.*; run assay doctor, which checks"):
        deploy()


def test_deploy_names_the_server_that_is_missing_or_silent(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    with temporary_settings({PREFECT_API_URL: None}), pytest.raises(AssayError, match="PREFECT_API_URL is not set"):
        deploy([str(recipe)])
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(AssayError, match=r"http://127\.0\.0\.1:9/api is not responding correctly .*check that it is"),
    ):
        deploy([str(recipe)])
