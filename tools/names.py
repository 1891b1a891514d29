"""Names that stand twice: `python -m tools.names` lists them and fails, so that each name leads to one place.

A file stem and a public class name stand once in the package. Entry points of one theme may share a stem: `cli/X`,
`flows/X` and `tasks/X`, a test file, and the `__init__` of a package that a command is named after.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(path for path in (ROOT / "assay").iterdir() if path.is_symlink())
THEMES = {"cli", "flows", "tasks"}
SPECIAL = {"__init__", "__main__"}


def main() -> int:
    """Print every name that stands twice.

    Returns:
        The exit code: 1 if there is one.
    """
    lines = [*repeated(stems()), *repeated(classes())]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if lines else 0


def repeated(places: Iterator[tuple[str, str]]) -> Iterator[str]:
    """Yield a line per name that has several places."""
    by_name = defaultdict(list)
    for name, place in places:
        by_name[name].append(place)
    for name, found in sorted(by_name.items()):
        if len(found) > 1:
            yield f"{name}: {', '.join(found)}"


def stems() -> Iterator[tuple[str, str]]:
    """Yield each stem and its file; the files of one theme among the entry points count once."""
    seen = set()
    for path in modules():
        package = path.parts[0]
        theme = (path.stem, "entry point") if len(path.parts) == 2 and package in THEMES else (path.stem, str(path))
        if path.stem not in SPECIAL and theme not in seen:
            seen.add(theme)
            yield path.stem, str(path)


def classes() -> Iterator[tuple[str, str]]:
    """Yield each public class at the top of a module, and its module."""
    for path in modules():
        for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, str(path)


def modules() -> Iterator[Path]:
    """Yield the modules of the package, by their real folders."""
    for package in PACKAGES:
        yield from (path.relative_to(ROOT) for path in sorted((ROOT / package.name).rglob("*.py")))


if __name__ == "__main__":
    sys.exit(main())
