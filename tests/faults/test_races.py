"""Concurrent promotions, one per process: one order, none is lost, and each is better than its predecessor."""

import json
import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from mlflow import MlflowClient
from prefect.settings import PREFECT_API_URL

from assay.evaluation.verdict import Check, Verdict
from assay.registry.aliases import ChampionChanged
from assay.registry.champion_promotion import promote_version
from assay.registry.model_registry import ModelRegistry
from assay.registry.registration import register_bundle
from assay.registry.versions import Version
from tests.bundles import build_bundle
from tests.faults.counts import LONG, count, many
from tests.faults.victim import CONTEXT, PATIENCE_S, train_until
from tests.flows.tiny import make_recipe, write_rows
from tests.waiting import wait_until

SCORE = "test.score"


def wait_for_all(folder: Path, racers: int) -> None:
    """Report that this process is ready, and wait for the others."""
    folder.mkdir(exist_ok=True)
    (folder / str(os.getpid())).touch()
    wait_until(lambda: len(list(folder.iterdir())) >= racers, PATIENCE_S, pause=0.005)


def verdict_on(version: Version, champion: Version | None) -> Verdict:
    """Return a verdict with one check: a higher score than the champion."""
    own, other = float(version.tags[SCORE]), float(champion.tags[SCORE]) if champion else -1.0
    check = Check(name="champion", measured=str(own), required=f"> {other}", passed=own > other, why="score")
    number = champion.number if champion else None
    return Verdict(recipe="r", bundle=version.bundle, snapshot="s", splits="p", champion=number, checks=[check])


def race(uri: str, store: Path, number: str, line: Path, racers: int, report: Path) -> None:
    """Run the gate and promote a version as the flow does, again after each change of champion."""
    registry = ModelRegistry("toy", uri, store)
    version, meanwhile = registry.version(number), 0
    wait_for_all(line, racers)
    while True:
        champion = registry.champion()
        verdict = verdict_on(version, champion)
        if verdict.outcome == "refused":
            report.write_text(json.dumps([None, meanwhile]))
            return
        try:
            move = promote_version(registry, version, verdict, champion, "better")
        except ChampionChanged:
            meanwhile += 1
            continue
        assert move is not None
        report.write_text(json.dumps([move.number, meanwhile]))
        return


@pytest.mark.parametrize("racers", [2, 8])
def test_promote_orders_promotions_of_concurrent_processes(racers: int, store: Path, tmp_path: Path) -> None:
    uri, rounds, moved = f"sqlite:///{store}/mlflow.db", many(1, 12), 0
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("toy", artifact_location=(tmp_path / "artifacts").as_uri())
    mlflow_run = client.create_run(experiment).info.run_id
    registry = ModelRegistry("toy", uri, store)
    promoted: list[int] = []
    scores: dict[str, float] = {}
    for turn in range(rounds):
        # given candidates of different scores, the best of them somewhere in the middle,
        numbers = []
        for place in range(racers):
            folder = tmp_path / f"bundle{turn}-{place}"
            folder.mkdir()
            bundle = build_bundle(folder, {"good": "up"}, {}, changes={"max_length": 10 + turn * racers + place})
            first = Verdict(recipe="r", bundle=bundle.digest, snapshot="s", splits="p", champion=None, checks=[])
            score = turn * racers + (place * 5) % racers
            numbers.append(register_bundle(registry, mlflow_run, bundle.folder, first, {SCORE: str(score)}).number)
            scores[numbers[-1]] = score
        # when all promote at the same moment,
        reports = [tmp_path / f"report{turn}-{number}" for number in numbers]
        line = tmp_path / f"line{turn}"
        processes = [
            CONTEXT.Process(target=race, args=(uri, store, number, line, racers, report))
            for number, report in zip(numbers, reports, strict=True)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(PATIENCE_S)
            assert process.exitcode == 0
        promoted += [done for report in reports if (done := json.loads(report.read_text())[0]) is not None]
        moved += len(processes)
        # then the best one is champion,
        champion = registry.champion()
        assert champion is not None
        assert scores[champion.number] == max(scores.values())
    # every promotion that was told of is in the history, in one order, each from the one before to a better one
    moves = [move for move in registry.history() if move.state != "undone"]
    assert sorted(promoted) == [move.number for move in moves]
    assert {move.state for move in moves} == {"done"}
    assert [move.source for move in moves] == [None, *(move.target for move in moves[:-1])]
    assert all(scores[move.target] > scores[move.source] for move in moves if move.source)
    previous = registry.previous()
    assert (previous and previous.number) == moves[-1].source
    count(f"{racers} processes that run the gate and promote at the same time", moved, "promotions requested")


def _train_behind_the_line(line: Path, racers: int, *args: Any) -> None:
    """Train, and promote at the same time as the others."""
    from tests.faults.victim import _train

    def promote(*words: Any, **more: Any) -> Any:
        if not (line / str(os.getpid())).exists():
            wait_for_all(line, racers)
        return promote_version(*words, **more)

    with mock.patch("assay.registry.promotion.promote_version", promote):
        _train(None, *args)


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.skipif(not LONG, reason="make faults: each of them is a training")
@pytest.mark.parametrize("racers", [2, 8])
def test_train_in_concurrent_processes_compares_with_the_replaced_champion(
    racers: int, store: Path, tmp_path: Path
) -> None:
    # given recipes that differ, and that share their rows, their model and their store
    rows = write_rows(tmp_path / "rows.jsonl")
    api, trials = PREFECT_API_URL.value() or "", []
    for number in range(racers):
        gate = {"min_f1": {"sentence": 0.001, "tokens": 0.001}, "slices": {"columns": []}}
        recipe = make_recipe(rows, training={"epochs": 1 + number % 4, "seed": number}, gate=gate)
        path = tmp_path / f"recipe{number}.yaml"
        path.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
        trials.append((path, store, api, tmp_path / f"outcome{number}.json"))
    # when all of them want to promote at the same moment,
    line = tmp_path / "line"
    processes = [CONTEXT.Process(target=_train_behind_the_line, args=(line, racers, *trial)) for trial in trials]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE_S * 2)
    # and those that were overtaken three times start again,
    again = [trial for process, trial in zip(processes, trials, strict=True) if process.exitcode != 0]
    assert len(again) < racers
    for path, _, _, report in again:
        assert train_until(None, path, store, api, report) == 0
    # then each verdict of a promoted version was about the champion that it replaced
    outcomes = [json.loads(trial[-1].read_text()) for trial in trials]
    registry = ModelRegistry("tiny", f"sqlite:///{store}/mlflow.db", store)
    moves = [move for move in registry.history() if move.state != "undone"]
    assert [move.source for move in moves] == [None, *(move.target for move in moves[:-1])]
    verdicts = {
        outcome["promotion"]["version"]["number"]: outcome["verdict"]
        for outcome in outcomes
        if outcome["promotion"]["promoted"]
    }
    assert sorted(verdicts) == sorted(move.target for move in moves)
    for move in moves:
        verdict = verdicts[move.target]
        assert (verdict["outcome"], verdict["champion"]) == ("passed", move.source)
        assert Verdict.model_validate(_without(verdict)).digest == move.verdict
    assert len(MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db").search_model_versions("name='tiny'")) == racers
    count(f"{racers} whole runs that promote at the same time", racers, "runs")


def _without(verdict: dict[str, Any]) -> dict[str, Any]:
    """Check that the outcome of a verdict follows from its checks."""
    return {key: value for key, value in verdict.items() if key != "outcome"}
