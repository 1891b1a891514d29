"""Every error that a user can fix says how: the line goes on behind what is wrong."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("cli", "corpus", "deployments", "evaluation", "expectations", "flows", "models", "recipes", "registry",
            "runs", "serving", "tasks")  # fmt: skip
ERRORS = {"AssayError", "DataError", "AmbiguousError"}
# What separates the remedy from the fault, in the texts of Assay.
REMEDY = ("; ", ": name ", ": run ", ": add ", "? Add ", ", or ", ", for example ")


def raised(path: Path) -> Iterator[tuple[int, ast.expr]]:
    """Yield line and message of each error that a module creates."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS and node.args:
            yield node.lineno, node.args[0]


def literal(message: ast.expr) -> str | None:
    """Return the fixed text of a message, with {} for its values; None if it is the text of something else."""
    if isinstance(message, ast.Constant):
        return str(message.value)
    if isinstance(message, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in message.values)
    return None


def test_every_error_has_a_remedy() -> None:
    count, lacking = 0, []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for line, message in raised(path):
                if (text := literal(message)) is None:
                    continue
                count += 1
                # A line that ends with the line of another error has its remedy.
                if not any(mark in text for mark in REMEDY) and not text.endswith((": {}", ", {}", "{}{}")):
                    lacking.append(f"{path.relative_to(ROOT)}:{line}: {text}")
    assert count > 300
    assert lacking == []
