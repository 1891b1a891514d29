"""One import name: what `assay` offers, and that nothing of the user's own stands in for it."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

import assay
from tests.bundles import build_bundle
from tests.flows.tiny import make_recipe, write_rows
from tests.servers import serving

ROOT = Path(__file__).parent.parent
PACKAGES = sorted(path.name for path in (ROOT / "assay").iterdir() if path.is_symlink())
HEAVY = {"torch", "transformers", "mlflow", "prefect", "numpy", "pyarrow", "pydantic", "onnxruntime"}


def test_assay_links_every_package_of_the_project() -> None:
    assert all((ROOT / "assay" / name).resolve() == ROOT / name for name in PACKAGES)
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py") if not path.is_relative_to(ROOT / "assay")}
    assert folders == {*PACKAGES, "benchmarks", "demo", "tests", "tools"} & folders
    assert folders >= set(PACKAGES)


def test_assay_is_imported_without_what_it_needs_later() -> None:
    code = "import sys, assay; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("name", assay.__all__)
def test_assay_offers_every_public_name(name: str) -> None:
    assert getattr(assay, name) is not None
    assert name in dir(assay)


def test_assay_says_which_name_it_lacks() -> None:
    with pytest.raises(AttributeError, match="module 'assay' has no attribute 'lod'"):
        assay.lod  # noqa: B018  # the access is the test


def test_no_module_imports_a_package_by_its_bare_name() -> None:
    bare = []
    for path in ROOT.glob("*/**/*.py"):
        if path.relative_to(ROOT).parts[0] in ("assay", ".venv", ".venv-tools", "build"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            bare += [f"{path}:{name}" for name in names if name.partition(".")[0] in PACKAGES]
    assert bare == []


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with packages of the user's own that have the names of ours; importing one fails."""
    for name in (*PACKAGES, "demo", "tools", "benchmarks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f'raise ImportError("this is the {name} of somebody else")\n')
    (tmp_path / "bundle").mkdir()
    build_bundle(tmp_path / "bundle", {"good": "up", "bad": "down"}, {"Apple": "ORG"})
    return tmp_path


def python(*words: str, folder: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=300,
    )


def environment(folder: Path, **more: str) -> dict[str, str]:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**variables, "PREFECT_HOME": str(folder / "prefect"), **more}


def test_assay_predicts_beside_packages_of_the_same_names(own: Path) -> None:
    (own / "in.jsonl").write_text(json.dumps({"id": 1, "text": "good Apple"}) + "\n")
    words = ["predict", "--model", "bundle", "--input", "in.jsonl", "--output", "out.jsonl"]
    done = python("-m", "assay.cli", *words, folder=own)
    assert done.returncode == 0, done.stderr
    assert json.loads((own / "out.jsonl").read_text())["label"] == "up"
    code = "import assay; print(assay.load('bundle').predict('bad').label)"
    assert python("-c", code, folder=own).stdout.strip() == "down"


def test_assay_serves_beside_packages_of_the_same_names(own: Path) -> None:
    with serving(own / "bundle", own / "server.log", cwd=own, PYTHONPATH="") as server:
        response = httpx.post(f"{server.url}/predict", json={"text": "good"})
        assert response.json()["predictions"][0]["label"] == "up", response.text


@pytest.mark.slow  # a whole run, with Prefect's temporary server
def test_assay_trains_beside_packages_of_the_same_names(own: Path) -> None:
    recipe = make_recipe(write_rows(own / "rows.jsonl"), gate={"min_f1": {"sentence": 0.001, "tokens": 0.001}})
    (own / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    done = python("-m", "assay.cli", "run", "recipe.yaml", folder=own)
    assert done.returncode == 0, done.stderr
    assert "somebody else" not in done.stderr + done.stdout


def test_a_worker_finds_every_flow_beside_packages_of_the_same_names(own: Path) -> None:
    file = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text(encoding="utf-8"))
    flows = sorted({deployment["entrypoint"] for deployment in file["deployments"]})
    assert flows
    # as the process that a worker starts finds them
    code = "import sys; from prefect.flows import load_flow_from_entrypoint as load; print(*map(load, sys.argv[1:]))"
    done = python("-c", code, *flows, folder=own)
    assert done.returncode == 0, done.stderr
