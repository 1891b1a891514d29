"""`assay predict`: predict the rows of a file, folder or collection."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from assay.cli.console import MOST, Encoding, Separator, Store, echo, echo_error, registry_uri
from assay.cli.stopping import noting
from assay.corpus.errors import AssayError
from assay.corpus.plural import counted
from assay.serving.prediction_options import MAX_CLASSES

if TYPE_CHECKING:
    from assay.serving.predict import PredictionCounts


@noting("no output is half-written; run the same command to resume after the last whole shard")
def predict(
    model: Annotated[str, typer.Option(help="models:/NAME@champion, models:/NAME/VERSION, or a bundle folder.")],
    input: Annotated[
        str,
        typer.Option(
            help="File of any kind that a recipe reads (JSON lines, CSV, Excel, Parquet, ...), also s3://BUCKET/FILE; "
            "a folder of files; - or a pipe; or a MongoDB collection: mongo:env:VARIABLE/DATABASE/COLLECTION."
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            help="File or s3://BUCKET/FILE, in the format of its extension (.jsonl, .csv, .tsv, .parquet); "
            "- or a pipe; for a folder, a folder; or a collection."
        ),
    ],
    errors: Annotated[
        str | None, typer.Option(help="File or pipe for invalid rows. [default: next to the output]")
    ] = None,
    abstained: Annotated[
        str | None,
        typer.Option(help="Second file, or a pipe, for the rows that the decision of the model leaves to people."),
    ] = None,
    text: Annotated[str, typer.Option(help="Field that holds the text.")] = "text",
    pair: Annotated[str | None, typer.Option(help="Field that holds the second text of a pair.")] = None,
    shard_rows: Annotated[
        int, typer.Option(min=1, max=MOST, help="Rows per shard, the most that an interrupted command has to redo.")
    ] = 8192,
    keep: Annotated[
        list[str] | None, typer.Option(help="Field of a collection to copy into the output; can be repeated.")
    ] = None,
    filter: Annotated[
        str | None, typer.Option(help="Filter for the documents of a collection, in extended JSON.")
    ] = None,
    id: Annotated[str | None, typer.Option(help="Column of a file that becomes _id in a collection.")] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds to wait for MongoDB before the command fails.")
    ] = 30,
    separator: Separator = None,
    encoding: Encoding = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME...",
            help="Names of the columns of a table, in their order. [default: those in its first line]",
        ),
    ] = None,
    format: Annotated[
        Literal["jsonl", "csv", "tsv", "parquet"],
        typer.Option(help="Format of an output without extension, such as -."),
    ] = "jsonl",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
    top_k: Annotated[
        int | None, typer.Option(min=1, max=MAX_CLASSES, help="Number of most probable classes. [default: all]")
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out labels and entities that are less probable.")
    ] = 0,
    labels_only: Annotated[bool, typer.Option("--labels-only", help="Leave out the probabilities.")] = False,
    store: Store = Path(".assay"),
) -> None:
    """Predict every row of a file, folder or collection.

    Invalid rows are written to the errors file with the reason, and the others are predicted. After an interruption,
    the same command resumes after the last complete shard. Exit code 1: no row could be predicted.
    """
    from assay.serving.address import open_bundle
    from assay.serving.batch.mongo_address import parse_filter
    from assay.serving.batch.request import check_output, file_settings
    from assay.serving.batch.streams import writes_stream
    from assay.serving.engine import Engine
    from assay.serving.predict import PredictionRequest, predict_request
    from assay.serving.prediction_options import PredictionOptions

    request = PredictionRequest(
        input=input,
        output=output,
        errors=errors,
        abstained=abstained,
        text_field=text,
        pair_field=pair,
        shard_rows=shard_rows,
        state=store / "predict",
        filter=parse_filter(filter),
        keep=keep or [],
        id_field=id,
        timeout_s=timeout,
        file=file_settings(separator, encoding, columns),
        options=PredictionOptions(top_k, threshold, labels_only),
        overwrite=overwrite,
        format=format,
    )
    check_output(request)
    uri = registry_uri(model, store)
    engine = Engine(open_bundle(model, tracking_uri=uri))
    _report(predict_request(engine, request), err=writes_stream(request))


def _report(counts: "PredictionCounts", *, err: bool) -> None:
    """Print the counts, on stderr where the predictions go to a stream.

    Raises:
        AssayError: no row could be predicted.
    """
    print_line = echo_error if err else echo
    print_line(f"{counted(counts.rows, 'row')} predicted in {counts.output}")
    if counts.resumed:
        print_line(f"{counts.resumed:,} of them by an earlier command")
    if counts.abstained is not None:
        print_line(f"{counts.abstained:,} of them for people in {counts.abstained_path}")
    if counts.errors:
        print_line(f"{counted(counts.errors, 'invalid row')} in {counts.errors_path}")
    if counts.errors and not counts.rows:
        raise AssayError(f"no row could be predicted; for the reasons, see {counts.errors_path}")
