import json
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.serving.batch.shards import Rejects, ShardFolder, clear, consecutive_ranges, lock_folder


def _write(folder: ShardFolder, number: int, *, invalid: int = 0) -> None:
    with folder.write(number) as writer:
        if writer.path is not None:
            writer.path.write_text(f"shard {number}")
        writer.rows, writer.predicted, writer.truncated = 5, 5 - invalid, 1
        for row in range(invalid):
            writer.rejects.add(row, f"r{row}", "text is missing")


def test_rejects_create_their_file_at_the_first_row(tmp_path: Path) -> None:
    path = tmp_path / "errors.jsonl"
    with ExitStack() as stack:
        rejects = Rejects(path, stack)
        assert not list(tmp_path.iterdir())
        rejects.add(3, "é \ud83d", "text is missing")
        rejects.add(4, float("nan"), "text is blank")
        assert not path.exists()
    assert rejects.count == 2
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
        {"row": 3, "id": "é \ufffd", "reason": "text is missing"},
        {"row": 4, "id": None, "reason": "text is blank"},
    ]


def test_shard_folder_returns_finished_shards_by_number(tmp_path: Path) -> None:
    folder = ShardFolder(tmp_path, ".jsonl")
    for number in (10, 2, 0):
        _write(folder, number, invalid=number)
    for found in (folder.finished(), ShardFolder(tmp_path, ".jsonl").finished()):
        assert list(found) == [0, 2, 10]
        counts = [(one.rows, one.predicted, one.truncated, one.errors, len(one.files)) for one in found.values()]
        assert counts == [(5, 5, 1, 0, 1), (5, 3, 1, 2, 2), (5, -5, 1, 10, 2)]
    assert list(ShardFolder(tmp_path, ".jsonl").finished(range(1, 10))) == [2]


def test_shard_folder_of_a_target_without_files_writes_the_manifest_alone(tmp_path: Path) -> None:
    folder = ShardFolder(tmp_path, None)
    with folder.write(1) as writer:
        assert writer.path is None
    assert [path.name for path in tmp_path.iterdir()] == ["0000001.json"]
    assert folder.finished()[1].files == {}


def test_shard_folder_leaves_nothing_of_a_shard_that_fails(tmp_path: Path) -> None:
    folder = ShardFolder(tmp_path, ".jsonl")
    with pytest.raises(KeyError), folder.write(0) as writer:
        assert writer.path is not None
        writer.path.write_text("half")
        writer.rejects.add(1, 1, "text is missing")
        raise KeyError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["predictions", "errors", "missing", "manifest", "empty"])
def test_shard_folder_counts_no_shard_whose_files_are_damaged(tmp_path: Path, damage: str) -> None:
    folder = ShardFolder(tmp_path, ".jsonl")
    _write(folder, 0)
    _write(folder, 1, invalid=1)
    if damage == "missing":
        folder.predictions_path(1).unlink()
    elif damage in ("manifest", "empty"):
        (tmp_path / "0000001.json").write_text("" if damage == "empty" else '{"rows": 5}')
    else:
        path = folder.predictions_path(1) if damage == "predictions" else folder.errors_path(1)
        path.write_text(path.read_text() + " ")
    assert list(ShardFolder(tmp_path, ".jsonl").finished()) == [0]


def test_shard_folder_ignores_files_that_are_no_shards(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")
    (tmp_path / "0000001.errors.jsonl").write_text("")
    (tmp_path / "-1.json").write_text("{}")
    assert ShardFolder(tmp_path, ".jsonl").finished() == {}


@pytest.mark.parametrize(
    ("shards", "ranges"),
    [
        ([], []),
        ([4], [range(4, 5)]),
        ([0, 1, 2], [range(3)]),
        ([0, 2, 3, 7], [range(1), range(2, 4), range(7, 8)]),
    ],
)
def test_consecutive_ranges_group_numbers(shards: list[int], ranges: list[range]) -> None:
    assert consecutive_ranges(iter(shards)) == ranges


HOLD = """
import sys, time
from pathlib import Path
from assay.serving.batch.shards import lock_folder
with lock_folder(Path(sys.argv[1]), "out.jsonl"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_lock_folder_names_the_output_until_the_process_that_holds_it_ends(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "shards"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == "held\n"
        message = "another process is already writing out.jsonl; wait for it, or name another --output"
        with pytest.raises(AssayError, match=re.escape(message)), lock_folder(folder, "out.jsonl"):
            raise AssertionError("two processes hold the lock")
        holder.kill()
    for _ in range(2):
        with lock_folder(folder, "out.jsonl"):
            assert folder.is_dir()


def test_clear_keeps_the_lock_alone(tmp_path: Path) -> None:
    with lock_folder(tmp_path, "out.jsonl"):
        (tmp_path / "nested").mkdir()
        (tmp_path / "nested" / "file").write_text("")
        (tmp_path / "0000000.json").write_text("")
        clear(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["lock"]
