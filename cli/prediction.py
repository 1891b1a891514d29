"""Commands that let a model answer: `assay predict`."""

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.console import MOST, Store, echo, registry_uri
from assay.cli.stopping import noting


@noting("no output is half-written; run the same command to resume after the last whole shard")
def predict(
    model: Annotated[str, typer.Option(help="models:/NAME@champion, models:/NAME/VERSION, or a bundle folder.")],
    input: Annotated[
        str,
        typer.Option(
            help="JSONL, CSV or Parquet file, possibly gzipped, also s3://BUCKET/FILE; a folder of them; "
            "or a MongoDB collection: mongo:env:VARIABLE/DATABASE/COLLECTION."
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            help="File or s3://BUCKET/FILE, in the format of its extension; for a folder, a folder; or a collection."
        ),
    ],
    errors: Annotated[str | None, typer.Option(help="File that bad rows go to; else beside the output.")] = None,
    text: Annotated[str, typer.Option(help="Field that holds the text.")] = "text",
    pair: Annotated[str | None, typer.Option(help="Field that holds the second text of a pair.")] = None,
    shard_rows: Annotated[
        int, typer.Option(min=1, max=MOST, help="Rows kept together: what a broken-off command loses at most.")
    ] = 8192,
    keep: Annotated[
        list[str] | None, typer.Option(help="Field of a collection to put into the output; may be repeated.")
    ] = None,
    filter: Annotated[str | None, typer.Option(help="Which documents of a collection, in extended JSON.")] = None,
    id: Annotated[str | None, typer.Option(help="Column of a file that becomes _id in a collection.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds until a silent MongoDB is an error.")] = 30,
    store: Store = Path(".assay"),
) -> None:
    """Answer every row of a file, folder or collection.

    Bad rows go to the errors file with their reason, and the rest is done. Broken off and started again, it goes on
    behind the last whole shard.
    """
    from assay.serving.address import open_bundle
    from assay.serving.batch.mongo_address import parse_filter
    from assay.serving.engine import Engine
    from assay.serving.predict import Request, predict_request

    request = Request(
        input=input,
        output=output,
        errors=errors,
        text_field=text,
        pair_field=pair,
        shard_rows=shard_rows,
        state=store / "predict",
        filter=parse_filter(filter),
        keep=keep or [],
        id_field=id,
        timeout_s=timeout,
    )
    uri = registry_uri(model, store)
    engine = Engine(open_bundle(model, tracking_uri=uri))
    counts = predict_request(engine, request)
    echo(f"{counts.rows:,} rows answered in {output}")
    if counts.resumed:
        echo(f"{counts.resumed:,} rows were done before")
    if counts.errors:
        echo(f"{counts.errors:,} bad rows in {counts.errors_path}")
