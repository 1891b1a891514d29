"""Canary secrets in all usual places: nothing that a run writes or prints contains one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.faults.counts import LONG, count
from tests.flows.tiny import make_recipe, rows
from tests.mongo import Mongo

CANARY = "canary-7c1f9e-geheim"
ENDINGS = ["good", "no such server", "wrong password", "wrong data"]
ROOT = Path(__file__).parents[2]


def holding(folder: Path, text: str) -> Iterator[Path]:
    """Return the files in a folder that contain a text, including sqlite files, which store texts unchanged."""
    for path in folder.rglob("*"):
        if path.is_file() and text.encode() in path.read_bytes():
            yield path


def said(*words: str, home: Path, **environment: str) -> tuple[int, str]:
    """Return the output of the command with debug logging."""
    loud = {"PREFECT_LOGGING_LEVEL": "DEBUG", "PREFECT_HOME": str(home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "assay.cli", *words],
        env={**os.environ, **loud, **environment},
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow  # a whole run by the command, with a Prefect server of its own
@pytest.mark.parametrize("ending", ENDINGS if LONG else ["wrong password"])
def test_run_keeps_secrets_out_of_its_files(mongo: Mongo, store: Path, tmp_path: Path, ending: str) -> None:
    # given a password in the address of MongoDB, a token, and the password of MLflow
    home = tmp_path / "home"
    home.mkdir()
    documents = [{**row, "_id": row["id"]} for row in rows(300, 1)]
    mongo.fill("rows", documents if ending != "wrong data" else [{"_id": 1, "text": 5}])
    host = mongo.uri.removeprefix("mongodb://") if ending != "no such server" else "127.0.0.1:9"
    # the stand-in knows no users, and so no right password: there the secret is an option that it does not read
    user = f"anna:{CANARY}@" if ending in ("no such server", "wrong password") else ""
    address = f"mongodb://{user}{host}/" + ("" if user else f"?appname={CANARY}")
    recipe = make_recipe(
        tmp_path / "none", training={"epochs": 1}, gate={"min_f1": {"sentence": 0.001, "tokens": 0.001}}
    )
    values: dict[str, Any] = recipe.model_dump(mode="json")
    values["source"] = {
        "kind": "mongo",
        "uri": "env:CANARY_MONGO",
        "database": mongo.database,
        "collection": "rows",
        "timeout_s": 3,
        "fields": {"label": "label", "entities": "entities", "slices": {"region": "region"}},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    code, text = said(
        *("run", str(tmp_path / "recipe.yaml"), "--store", str(store)),
        home=home,
        CANARY_MONGO=address,
        ASSAY_TOKEN=CANARY,
        MLFLOW_TRACKING_PASSWORD=CANARY,
        MLFLOW_TRACKING_USERNAME="anna",
        HF_TOKEN=CANARY,
    )
    # then the secret is nowhere
    assert code == {"good": 0}.get(ending, 1), text
    assert CANARY not in text
    assert list(holding(store, CANARY)) == []
    assert list(holding(home, CANARY)) == []
    # though what stands beside it in the recipe is in MLflow and in Prefect
    assert store / "mlflow.db" in holding(store, mongo.database)
    assert [path for path in holding(home, mongo.database) if path.name.startswith("prefect.db")]
    count("canary secrets in addresses and tokens, searched in all that a run wrote and printed", 5, "secrets")
