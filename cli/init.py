"""`assay init`: a recipe from the data."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from assay.cli.console import echo, out
from assay.corpus.choice import choose

if TYPE_CHECKING:
    from assay.flows.recipe_proposal import ProposedRecipe


def init(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="File, folder or glob; owner/name[@COMMIT] of the hub; mongo:env:VARIABLE/DATABASE/COLLECTION.",
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Name of recipe and model. [default: after the data]")] = None,
    output: Annotated[Path | None, typer.Option(help="File to write. [default: NAME.yaml]")] = None,
    text: Annotated[str | None, typer.Option(metavar="FIELD", help="Field of the text.")] = None,
    pair: Annotated[str | None, typer.Option(metavar="FIELD", help="Field of the second text of a pair.")] = None,
    label: Annotated[str | None, typer.Option(metavar="FIELD", help="Field of the class, or none.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD[,FIELD...]", help="Field with lists of labels, or the columns of 0 and 1, or none."
        ),
    ] = None,
    entities: Annotated[
        str | None, typer.Option(metavar="FIELD", help="Field of the entities, or tags, or none.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(metavar="FIELD", help="Field whose rows of one value belong together, or none.")
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="Published encoder: folder, or NAME@COMMIT. [default: a small model from scratch]"),
    ] = None,
    config: Annotated[str | None, typer.Option(help="Configuration of a hub data set.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of files, such as windows-1252.")] = None,
    tag_scheme: Annotated[str | None, typer.Option(help="Scheme of the tags, such as io.")] = None,
    tag_names: Annotated[
        str | None, typer.Option(metavar="NAME,NAME,...", help="Names of tags that are numbers, in their order.")
    ] = None,
    disagreement: Annotated[
        str | None,
        typer.Option(metavar="RULE", help="Annotators who differ: latest or first. [default: reject the row]"),
    ] = None,
    relations: Annotated[
        str | None, typer.Option(metavar="RULE", help="Relations between entities: ignore. [default: reject the row]")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Write a recipe for your data.

    The command looks at a sample, and decides fields, heads, splits and thresholds.

    Where the data can be read in two ways, the command asks which one, and writes nothing.
    """
    from assay.flows.recipe_proposal import propose_recipe
    from assay.recipes.proposal.field_roles import Choices
    from assay.recipes.proposal.proposed_recipe import Encoder

    path, _, revision = (encoder or "").partition("@")
    names = tuple(tag_names.split(",")) if tag_names else ()
    proposed = propose_recipe(
        data,
        output,
        name=name,
        choices=Choices(
            text,
            pair,
            label,
            entities,
            group,
            tag_scheme,
            names,
            labels,
            disagreement=_rule("--disagreement", disagreement, ("latest", "first")),
            relations=_rule("--relations", relations, ("ignore",)),
        ),
        encoder=Encoder(path, revision or None) if path else None,
        config=config,
        encoding=encoding,
        overwrite=overwrite,
    )
    _show(proposed)


def _rule(option: str, value: str | None, rules: Sequence[str]) -> str | None:
    """Return a rule for annotations of tools.

    Raises:
        AssayError: there is no such rule.
    """
    return value and choose(value, rules, f"{option} {value}: no such rule; write {' or '.join(rules)}")


def _show(proposed: "ProposedRecipe") -> None:
    """Print what the sample holds, what each field is used as, and the next commands."""
    from assay.recipes.proposal.sample_table import field_lines, summary_lines

    for line in summary_lines(proposed.proposal, len(proposed.sample.documents), whole=proposed.sample.whole):
        echo(line)
    table = Table("field", "holds", "used as", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for cells in field_lines(proposed.proposal.layout):
        table.add_row(*cells)
    out.print(table)
    echo(f"wrote {proposed.path}")
    echo(f"next: assay validate {proposed.path}")
    echo(f"      assay run {proposed.path}")
