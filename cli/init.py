"""`assay init`: a recipe from the data."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from assay.cli.console import echo, out
from assay.cli.terminal_layout import print_plain, wrapped
from assay.corpus.errors import AssayError
from assay.corpus.plural import counted

if TYPE_CHECKING:
    from assay.flows.recipe_proposal import ProposedRecipe

_OPTION = re.compile(r"(?<!\w)--(set|text|pair|labels?|entities|group|split|config)\b")
_KEY = re.compile(r"\bsource(?P<key>(?:\.\w+)+)(?:: (?P<value>[a-z_]+)(?![\w-]))?")
# Options that name the fields of `source.fields` and, for sentences, of `source.parse`.
_FIELD_OPTIONS = {
    "text": "--text", "text_pair": "--pair", "label": "--label", "labels": "--labels", "entities": "--entities",
    "tags": "--entities", "group": "--group", "split": "--split",
}  # fmt: skip
_ANY_FIELD = "--text FIELD, --label FIELD and so on"


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
    split: Annotated[str | None, typer.Option(metavar="FIELD", help="Field of the published split, or none.")] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="Published encoder: folder, or NAME@COMMIT. [default: a small model from scratch]"),
    ] = None,
    config: Annotated[str | None, typer.Option(help="Configuration of a hub data set.")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Set how the data are read, such as source.file.encoding=latin-1; can be repeated.",
        ),
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
    from assay.recipes.proposal.source_settings import source_settings

    path, _, revision = (encoder or "").partition("@")
    with _settable_keys():
        proposed = propose_recipe(
            data,
            output,
            name=name,
            choices=Choices(text, pair, label, entities, group, split, labels, source_settings(overrides or [])),
            encoder=Encoder(path, revision or None) if path else None,
            config=config,
            overwrite=overwrite,
        )
    _show(proposed)


@contextmanager
def _settable_keys() -> Iterator[None]:
    """Say in errors that name keys of the source how to set them before there is a recipe."""
    try:
        yield
    except AssayError as error:
        line = str(error)
        if _OPTION.search(line) or not (ways := list(dict.fromkeys(filter(None, map(_way, _KEY.finditer(line)))))):
            raise
        raise type(error)(f"{line} (here: {', or '.join(ways)})") from error


def _way(key: re.Match[str]) -> str | None:
    """Return how to set a key of the source in this command; None if the data decide it."""
    from assay.recipes.proposal.source_settings import INNER, MEANING, READING

    section, _, name = key["key"].removeprefix(".").partition(".")
    if section not in INNER:
        value = key["value"] or "VALUE"
        return f"--set {key[0].partition(':')[0]}={value}" if section in (*READING, *MEANING) else None
    if not name:
        return _ANY_FIELD if section == "fields" else None
    if name in INNER[section]:
        return f"--set source.{section}.{name}=FIELD"
    return f"{_FIELD_OPTIONS[name]} FIELD" if name in _FIELD_OPTIONS else None


def _show(proposed: "ProposedRecipe") -> None:
    """Print what the sample holds, what each field is used as, and the next commands."""
    from assay.recipes.proposal.sample_table import field_lines, summary_lines

    sample = proposed.sample
    for line in summary_lines(proposed.proposal, len(sample.documents) + len(sample.invalid), whole=sample.whole):
        echo(wrapped(line, ""))
    if proposed.left_out:
        echo(wrapped(f"{counted(proposed.left_out, 'row')} without a class left out", ""))
    for reason in proposed.reject_reasons:
        echo(wrapped(f"rejected ({reason.count:,}): {reason.example}; {reason.remedy}", ""))
    table = Table("field", "holds", "used as", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for cells in field_lines(proposed.proposal.layout):
        table.add_row(*cells)
    print_plain(out, table, out.width)
    path = shlex.quote(str(proposed.path))
    echo(f"wrote {proposed.path}")
    echo(f"next: assay validate {path}")
    echo(f"      assay run {path}")
