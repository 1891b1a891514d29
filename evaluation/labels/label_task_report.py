"""What `assay labels issues` and `assay labels suggest` found and wrote."""

from collections import Counter
from pathlib import Path

from pydantic import BaseModel, computed_field

from assay.corpus.markdown import cell, row
from assay.evaluation.labels.label_issue import LabelTask, shorten
from assay.evaluation.labels.task_formats import LabelNames

SHOWN = 20


class LabelTaskReport(BaseModel):
    """The rows that are worth a person's time, the most valuable first.

    `rows` counts the rows that were looked at, `found` those with a reason; `tasks` holds the first of them, as many
    as were asked for. `names` are the classes and entity types
    of the model, `files` the files that were written, `pushed` the address of a project that took the tasks.
    """

    model: str
    recipe: str
    rows: int
    found: int
    tasks: list[LabelTask]
    names: LabelNames
    files: list[Path] = []
    pushed: str | None = None

    @computed_field  # type: ignore[prop-decorator]  # pydantic's documented form
    @property
    def kinds(self) -> dict[str, int]:
        """Number of issues by kind, the most frequent first; empty for suggestions."""
        return dict(Counter(issue.kind for task in self.tasks for issue in task.issues).most_common())

    @property
    def summary(self) -> str:
        """Return the outcome in one line."""
        # Rows to label next have no issues. There is always one, while there may be no wrong label.
        if self.tasks and not any(task.issues for task in self.tasks):
            return f"{self.found:,} of {self.rows:,} new rows chosen with {self.model}"
        return f"{self.found:,} of {self.rows:,} held-out rows of {self.model} have labels that may be wrong"

    def markdown(self, links: dict[str, str] | None = None) -> str:
        """Return the first tasks as a table.

        Args:
            links: address of each page to name, by its text.
        """
        lines = [f"# Labels to review: {cell(self.model)}", "", f"{cell(self.summary)}."]
        if self.kinds:
            lines += ["", ", ".join(f"{kind}: {count}" for kind, count in self.kinds.items()) + "."]
        lines += ["", "| row | split | text | reason | score |", "|---|---|---|---|---:|"]
        for task in self.tasks[:SHOWN]:
            lines.append(row(task.id, task.split or "", shorten(task.text), task.reason, f"{task.score:.2f}"))
        command = f"assay labels issues {self.model} --output tasks.json --format label-studio"
        lines += ["", f"All of them as tasks of an annotation tool: `{command}`"]
        lines += [f"\n[{cell(text)}]({address})" for text, address in (links or {}).items()]
        return "\n".join(lines) + "\n"
