"""Draw what a terminal of 80 columns shows after some commands, as SVG for the docs.

    python -m demo.terminal_picture docs/images/first-run.svg "assay init news.csv" "assay run news.yaml"

The commands run one after the other in a pseudo-terminal; what was overwritten while they ran is not drawn.
"""

import argparse
import io
import itertools
import os
import pty
import shlex
import subprocess
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from rich.text import Text

from assay.corpus.storage.atomic import atomic_path

COLUMNS, LINES = 80, 400
# Without rich's own fonts, which a browser would download from another site.
SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, Menlo, "DejaVu Sans Mono", monospace; }}
.{unique_id}-title {{ font: bold 16px system-ui, sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def main() -> None:
    """Run the commands and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path, help="file to write, such as docs/images/first-run.svg")
    parser.add_argument("commands", nargs="+", help="commands, each one argument")
    options = parser.parse_args()
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    for command in options.commands:
        stream.feed(f"\x1b[1m$ {command}\x1b[0m\r\n".encode())
        stream.feed(output_of(command))
    draw(screen, options.picture)


def output_of(command: str) -> bytes:
    """Return what a command writes to a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "LINES": "50", "TERM": "xterm-256color"}
    with subprocess.Popen(shlex.split(command), stdin=theirs, stdout=theirs, stderr=theirs, env=environment):  # noqa: S603  # the caller's command
        os.close(theirs)
        output = b""
        while chunk := _read(ours):
            output += chunk
    os.close(ours)
    return output


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the command has closed its end
        return b""


def draw(screen: pyte.Screen, path: Path) -> None:
    """Write a picture of the screen without the empty lines below the last one."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    last = max((number for number, line in enumerate(screen.display) if line.strip()), default=0)
    for number in range(last + 1):
        console.print(_line(screen, number), no_wrap=True, overflow="crop")
    svg = console.export_svg(title="", theme=DEFAULT_TERMINAL_THEME, code_format=SVG, unique_id="terminal")
    with atomic_path(path) as partial:
        partial.write_text(svg, encoding="utf-8")


def _line(screen: pyte.Screen, number: int) -> Text:
    text = Text()
    characters = [screen.buffer[number][column] for column in range(COLUMNS)]
    for style, run in itertools.groupby(characters, key=_style):
        text.append("".join(character.data for character in run), style)
    text.rstrip()
    return text


def _style(character: pyte.screens.Char) -> Style:
    return Style(color=_colour(character.fg), bold=character.bold, italic=character.italics)


def _colour(name: str) -> str | None:
    """Return rich's name of a colour of pyte."""
    if name == "default":
        return None
    return "yellow" if name == "brown" else name.replace("bright", "bright_")


if __name__ == "__main__":
    main()
