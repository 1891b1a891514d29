"""`assay labels`: rows for people to label, and what comes back from them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.console import MOST, AsJson, Encoding, Overrides, RecipePath, Separator, Store, Verbose, echo, print_json
from assay.cli.terminal_layout import print_block
from assay.corpus.choice import choose
from assay.corpus.errors import AssayError
from assay.corpus.plural import counted

if TYPE_CHECKING:
    from assay.evaluation.labels.label_task_report import LabelTaskReport
    from assay.evaluation.labels.task_formats import TaskFormat
    from assay.flows.corrections import CorrectionReport

SHOWN = 5

Model = Annotated[str, typer.Argument(metavar="MODEL", help="models:/NAME@champion or models:/NAME/VERSION.")]
Output = Annotated[Path, typer.Option(help="File of the tasks.")]
Format = Annotated[
    str, typer.Option("--format", help="Tool that reads the file: label-studio, doccano, prodigy, argilla or csv.")
]
Tasks = Annotated[int, typer.Option(min=1, max=MOST, help="Maximum number of rows to write, the most valuable first.")]


def issues(
    model: Model,
    output: Output,
    task_format: Format = "label-studio",
    rows: Tasks = 200,
    cross_validate: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            min=2,
            max=20,
            help="Also examine training rows, with K trainings. [default: only held-out rows]",
        ),
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
    store: Store = Path(".assay"),
) -> None:
    """Write the rows whose labels are probably wrong, for a tool.

    The version predicts its validation and test rows, which it has not learned from. Rows that someone has decided
    about (assay labels apply) are left out. Each task holds what the model proposes, and why. --cross-validate trains
    the recipe K times, each time without the training rows that this model then predicts.
    """
    chosen = parse_format(task_format)
    _check_new(output)

    from assay.cli.story import steps_shown

    with steps_shown(verbose=verbose):
        from assay.flows.local import run_label_issues

        report = run_label_issues(model, store, output, chosen, rows, cross_validate)
    _print(report, as_json)


def suggest(
    model: Model,
    source: Annotated[
        str,
        typer.Option(
            "--input", help="Rows without labels: a file, folder, glob, or mongo:env:VARIABLE/DATABASE/COLLECTION."
        ),
    ],
    output: Output,
    task_format: Format = "label-studio",
    rows: Tasks = 200,
    filter: Annotated[str | None, typer.Option(help="Filter for the documents of the input, in extended JSON.")] = None,
    random_share: Annotated[float, typer.Option(min=0, max=1, help="Share of the rows to draw at random.")] = 0.2,
    as_json: AsJson = False,
    verbose: Verbose = False,
    store: Store = Path(".assay"),
) -> None:
    """Write the unlabelled rows to label next, for a tool.

    These are rows that the version is unsure of and that differ from each other, and some at random. Near-duplicates of
    labelled rows are left out. The input has the document format of the version's recipe.
    """
    chosen = parse_format(task_format)
    _check_new(output)

    from assay.serving.batch.mongo_address import parse_filter

    documents = parse_filter(filter)

    from assay.cli.story import steps_shown

    with steps_shown(verbose=verbose):
        from assay.flows.local import run_label_suggestion

        report = run_label_suggestion(model, store, source, documents, output, chosen, rows, random_share)
    _print(report, as_json)


def parse_format(name: str) -> "TaskFormat":
    """Return the format of this name.

    Raises:
        AssayError: there is no such format.
    """
    from assay.evaluation.labels.task_formats import TASK_FORMATS

    return choose(name, TASK_FORMATS, f"--format {name}: no such format; formats are {', '.join(TASK_FORMATS)}")


def _check_new(output: Path) -> None:
    """Check that there is no such file: people may have written their decisions into it.

    Raises:
        AssayError: it exists.
    """
    if output.exists():
        raise AssayError(f"--output is {output}, which exists; name a new file")


def _print(report: "LabelTaskReport", as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    echo(report.summary)
    for kind, count in report.kinds.items():
        echo(f"  {kind}: {count:,}")
    for task in report.tasks[:SHOWN]:
        print_block(f"{task.id}  {task.reason}", [task.text])
    if report.files:
        echo(f"{counted(len(report.tasks), 'task')} in {', '.join(map(str, report.files))}")


def apply(
    corrections: Annotated[
        str,
        typer.Argument(
            metavar="CORRECTIONS", help="Export of a tool: a file, or a quoted glob such as 'export/*.json'."
        ),
    ],
    recipe: RecipePath,
    overrides: Overrides = None,
    tool: Annotated[
        str | None, typer.Option("--format", help="Tool that wrote the export. [default: by its content]")
    ] = None,
    author: Annotated[
        str | None, typer.Option(help="Who decided, where the export does not say it. [default: your user name]")
    ] = None,
    id_field: Annotated[
        str | None, typer.Option("--id", help="Field of the rows' ids. [default: where tasks of assay labels keep it]")
    ] = None,
    new_labels: Annotated[
        bool, typer.Option("--new-labels", help="Accept classes, labels and entity types that no row has yet.")
    ] = False,
    separator: Separator = None,
    encoding: Encoding = None,
    as_json: AsJson = False,
    store: Store = Path(".assay"),
) -> None:
    """Use corrected labels in the next run of a recipe.

    They become an overlay in the store, by row, with author and time; the source stays as it is. A row that is
    corrected again keeps its history, and the last correction counts. Exit code 1: no row of the file can be used.
    """
    from assay.recipes.loader import load_recipe

    loaded = load_recipe(recipe, overrides or [])

    from assay.flows.corrections import apply_corrections
    from assay.serving.batch.request import file_settings

    report = apply_corrections(
        loaded,
        store,
        corrections,
        tool=None if tool is None else parse_tool(tool),
        author=author,
        id_field=id_field,
        new_labels=new_labels,
        file_settings=file_settings(separator, encoding),
    )
    if as_json:
        print_json(report)
        return
    _print_corrections(report, recipe)


def parse_tool(name: str) -> str:
    """Return the name under which the reader of a tool is known.

    Raises:
        AssayError: there is no such tool.
    """
    from assay.corpus.documents.annotators.decisions import TABLE
    from assay.corpus.documents.annotators.recognised import READERS

    tools = [*READERS, TABLE]
    known = name.replace("-", "_")
    return choose(known, tools, f"--format {name}: no such tool; tools are {', '.join(tools)}")


def _print_corrections(report: "CorrectionReport", recipe: str) -> None:
    splits = ", ".join(f"{count:,} {name or 'without a split'}" for name, count in report.corrected.items())
    corrected = sum(report.corrected.values())
    echo(
        f"{counted(corrected, 'row')} corrected{f' ({splits})' if splits else ''}, {report.confirmed:,} confirmed, "
        f"{report.added:,} added, {report.undecided:,} undecided, {len(report.rejected):,} rejected"
    )
    if report.older:
        echo(f"{counted(report.older, 'decision')} left out: others about the same rows are newer")
    if report.incomplete:
        echo(f"{counted(report.incomplete, 'added row')} labelled in part, which no run uses until all is labelled")
    for rejected in report.rejected[:SHOWN]:
        print_block(rejected.id, [f"{rejected.reason}; {rejected.remedy}"])
    if len(report.rejected) > SHOWN:
        echo(f"and {len(report.rejected) - SHOWN:,} more: --json lists them all")
    if corrected or report.added:
        echo(f"the next assay run {recipe} reads them")
