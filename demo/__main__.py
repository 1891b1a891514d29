"""Run the whole pipeline on generated data: train, gate, promote, predict; then a worse model that the gate refuses."""

import json
import os
import shutil
import sys
import time
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.table import Table

from assay.corpus.errors import AssayError
from assay.flows.logs import join_prefect_logs
from assay.recipes.loader import load_recipe
from assay.recipes.recipe import Recipe
from demo.virtual import virtual_documents
from demo.wire import WireServer

STORE = Path(".assay/demo")
RECIPE = Path(__file__).with_name("recipe.yaml")
DOCUMENTS = 1500
NEW_ROWS = 200
# One short pass with a tiny learning rate; the gate must detect the difference.
WORSE = ["training.epochs=1", "training.learning_rate=0.00002", "training.seed=99"]

out = Console(markup=False, emoji=False)  # generated texts contain brackets and colons


def main() -> None:
    """Run the demo in `.assay/demo`, from an empty store each time."""
    start = time.monotonic()
    shutil.rmtree(STORE, ignore_errors=True)
    STORE.mkdir(parents=True)
    out.rule("1. a MongoDB stand-in with generated parse results")
    with WireServer() as server:
        os.environ["ASSAY_DEMO_MONGODB"] = server.uri
        fill(server.uri)
        join_prefect_logs()
        # Imported here, since prefect, mlflow and torch take seconds and would delay the first line.
        from assay.flows.local import run_training

        out.rule("2. train, gate, promote")
        good = run_training(load_recipe(RECIPE), STORE)
        if not good.promotion.promoted:
            raise AssayError(f"the demo's first model was not promoted: {good.promotion.why}")
        out.rule("3. predict a file with the champion")
        show_predictions(load_recipe(RECIPE))
        out.rule("4. a worse model meets the same gate")
        worse = run_training(load_recipe(RECIPE, WORSE), STORE)

    table = Table("check", "required", "version 1", "the worse model", title="both verdicts")
    checks_of_worse = {check.name: check for check in worse.verdict.checks}
    for check in good.verdict.checks:
        counterpart = checks_of_worse.get(check.name)
        table.add_row(check.name, check.required, cell(check), cell(counterpart) if counterpart else "-")
    table.add_section()
    table.add_row("verdict", "", good.verdict.outcome, worse.verdict.outcome)
    out.print(table)
    for failed in worse.verdict.failed:
        out.print(f"refused by {failed.name}: {failed.why}", highlight=False)
    out.print(f"\n{time.monotonic() - start:.0f} seconds. Next steps:", highlight=False)
    for line in commands(good.card):
        out.print(line, highlight=False, soft_wrap=True)


def fill(uri: str) -> None:
    """Insert the generated documents into the collection that the recipe reads."""
    from pymongo import MongoClient

    with MongoClient[dict[str, object]](uri) as client:
        client["demo"]["parses"].insert_many(virtual_documents(DOCUMENTS, seed=7))
    out.print(f"{DOCUMENTS:,} documents in demo.parses", highlight=False)


def show_predictions(recipe: Recipe) -> None:
    """Predict new texts, one of them invalid, and show a few predictions."""
    from assay.serving.address import default_tracking_uri, open_bundle
    from assay.serving.engine import Engine
    from assay.serving.predict import predict_file

    source, output = STORE / "new.jsonl", STORE / "predictions.jsonl"
    texts = [
        sentence["Text"]
        for document in virtual_documents(NEW_ROWS, seed=8)
        if isinstance(document.get("Parse"), list)
        for sentence in document["Parse"]
        if isinstance(sentence, dict) and isinstance(sentence.get("Text"), str)
    ]
    rows = [json.dumps({"id": number, "text": text}) for number, text in enumerate(texts)]
    source.write_text("\n".join([*rows, '{"id": "broken", "text": null}']) + "\n", encoding="utf-8")
    bundle = open_bundle(f"models:/{recipe.registry.name}@champion", tracking_uri=default_tracking_uri(STORE))
    counts = predict_file(Engine(bundle), source, output)
    out.print(f"{counts.rows:,} rows predicted, {counts.errors} invalid row with its reason", highlight=False)
    table = Table("text", "sentiment", "entities")
    with output.open(encoding="utf-8") as lines:
        for prediction in map(json.loads, islice(lines, 5)):
            entities = ", ".join(f"{entity['text']} ({entity['label']})" for entity in prediction["entities"])
            table.add_row(prediction["text"], prediction["label"], entities)
    out.print(table)


def cell(check: object) -> str:
    """Return the outcome of a check for a table cell."""
    from assay.evaluation.verdict import Check

    assert isinstance(check, Check)  # noqa: S101  # the import of the type takes seconds
    mark = ("passed" if check.passed else "FAILED") if check.tested else "not tested"
    return f"{check.measured}\n{mark}"


def commands(card: Path) -> list[str]:
    """Return commands for further exploration, with the paths of this run."""
    database = f"sqlite:///{(STORE / 'mlflow.db').resolve()}"
    files = f"--input {STORE}/new.jsonl --output {STORE}/again.csv"
    return [
        f"  the model card    {card}",
        f"  MLflow            .venv/bin/mlflow server --port 5000 --backend-store-uri {database}",
        "  Prefect           .venv/bin/prefect server start",
        f"  predict           .venv/bin/assay predict --store {STORE} --model models:/demo-news@champion {files}",
        f"  history           .venv/bin/assay history demo-news --store {STORE}",
    ]


if __name__ == "__main__":
    try:
        main()
    except AssayError as error:
        sys.stderr.write(f"demo: {error}\n")
        sys.exit(1)
