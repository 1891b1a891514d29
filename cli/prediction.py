"""Commands that let a model answer: `assay predict`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.common import Store, say
from cli.stopping import stoppable


def predict(
    model: Annotated[str, typer.Option(help="models:/NAME@champion, models:/NAME/VERSION, or a bundle folder.")],
    input: Annotated[str, typer.Option(help="JSONL, CSV or Parquet file, possibly gzipped, or a folder of them.")],
    output: Annotated[str, typer.Option(help="Output file, its extension sets the format; for a folder, a folder.")],
    errors: Annotated[Path | None, typer.Option(help="Where bad rows go; else beside the output.")] = None,
    text: Annotated[str, typer.Option(help="Field that holds the text.")] = "text",
    pair: Annotated[str | None, typer.Option(help="Field that holds the second text of a pair.")] = None,
    shard_rows: Annotated[
        int, typer.Option(min=1, help="Rows kept together: what a broken-off command loses at most.")
    ] = 8192,
    store: Store = Path(".assay"),
) -> None:
    """Answer every row of a file or folder. Bad rows go to the errors file with their reason, and the rest is done.

    Broken off and started again, it goes on behind the last whole shard.
    """
    from serving.address import open_bundle
    from serving.engine import Engine
    from serving.predict import Request, predict_request

    uri = None
    if model.startswith("models:"):
        from serving.address import existing_tracking_uri

        uri = existing_tracking_uri(store)
    with stoppable("no output is half-written, and the same command goes on behind the last whole shard"):
        engine = Engine(open_bundle(model, tracking_uri=uri))
        counts = predict_request(engine, Request(input, output, errors, text, pair, shard_rows))
    say(f"{counts.rows:,} rows answered in {output}")
    if counts.resumed:
        say(f"{counts.resumed:,} rows were done before")
    if counts.errors:
        say(f"{counts.errors:,} bad rows in {counts.errors_path}")
