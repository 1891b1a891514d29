"""Rows of a shard through the engine to a writer, in their order; memory holds a few portions."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from assay.serving.batch.chunks import Portion
from assay.serving.batch.output import Writer
from assay.serving.batch.progress import Watcher
from assay.serving.batch.shards import ShardDraft
from assay.serving.batch.valid_rows import GoodRows, check_rows
from assay.serving.engine import Engine, Prediction, Row


@dataclass(frozen=True)
class Columns:
    """What is read of a row: the texts for the model, and what names it in the errors file."""

    texts: list[str]
    id: str


def answer_portions(
    engine: Engine, columns: Columns, portions: Iterable[Portion], draft: ShardDraft, writer: Writer, watcher: Watcher
) -> None:
    """Answer all rows of these portions; bad ones are noted in the draft, which also counts."""
    waiting: deque[GoodRows] = deque()

    def rows() -> Iterator[Row]:
        for portion in portions:
            checked = check_rows(portion, columns.texts, columns.id, draft.rejects)
            waiting.append(checked)
            yield from checked.rows

    answers: list[Prediction] = []
    for answer in engine.predict_stream(rows()):
        while not waiting[0].rows:
            _put(waiting.popleft(), [], columns, draft, writer, watcher)
        answers.append(answer)
        if len(answers) == len(waiting[0].rows):
            _put(waiting.popleft(), answers, columns, draft, writer, watcher)
            answers = []
    for checked in waiting:
        _put(checked, [], columns, draft, writer, watcher)


def _put(
    checked: GoodRows, answers: list[Prediction], columns: Columns, draft: ShardDraft, writer: Writer, watcher: Watcher
) -> None:
    """Write the answers to one portion, and count."""
    portion = checked.portion
    refused = writer.write(portion, checked.indices, checked.texts, answers) if answers else {}
    ids = portion.column(columns.id) if refused else []
    for index, reason in refused.items():
        draft.rejects.add(portion.number(index), ids[index], reason)
    draft.rows += len(portion)
    draft.answered += len(answers) - len(refused)
    draft.truncated += sum(answer.truncated for answer in answers)
    watcher.advance(len(portion))
