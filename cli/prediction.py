"""Commands that let a model answer: `assay predict`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.common import Store, say


def predict(
    model: Annotated[str, typer.Option(help="models:/NAME@champion, models:/NAME/VERSION, or a bundle folder.")],
    input: Annotated[Path, typer.Option(help="JSONL, CSV or Parquet file, possibly gzipped.")],
    output: Annotated[Path, typer.Option(help="Output file; its extension sets the format.")],
    errors: Annotated[Path | None, typer.Option(help="Where bad rows go; else beside the output.")] = None,
    text: Annotated[str, typer.Option(help="Field that holds the text.")] = "text",
    pair: Annotated[str | None, typer.Option(help="Field that holds the second text of a pair.")] = None,
    store: Store = Path(".assay"),
) -> None:
    """Answer every row of a file. Bad rows go to the errors file with their reason, and the rest is done."""
    from serving.address import open_bundle
    from serving.engine import Engine
    from serving.predict import predict_file

    uri = None
    if model.startswith("models:"):
        from serving.address import default_tracking_uri

        uri = default_tracking_uri(store)
    counts = predict_file(Engine(open_bundle(model, tracking_uri=uri)), input, output, errors, text, pair)
    say(f"{counts.rows:,} rows answered in {output}")
    if counts.errors:
        say(f"{counts.errors:,} bad rows in {counts.errors_path}")
