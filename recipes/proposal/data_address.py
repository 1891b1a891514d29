"""The source of a recipe from an address as people type it: files, a folder, a collection, a data set of the hub."""

import glob
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from assay.corpus.documents.raw_document import SPLIT_ALIASES
from assay.corpus.errors import AssayError
from assay.corpus.sources.files import glob_files
from assay.corpus.sources.folders import describe_folder, is_hidden, parts_of
from assay.corpus.sources.recognition import describe_file, has_known_name
from assay.corpus.sources.saved_dataset import is_saved
from assay.corpus.storage.remote_files import is_remote

FORMS = (
    "a file, a folder, a glob, owner/name of the hub (with @COMMIT), mongo:env:VARIABLE/DATABASE/COLLECTION, or "
    "mongodb://HOST/DATABASE.COLLECTION"
)
MOST_SHOWN = 5
MOST_FILES = 20  # which a recipe names one by one
_MONGO_BY_VARIABLE = re.compile(r"(?:mongo:)?(?P<uri>env:\w+)/(?P<database>[^/.]+)[/.](?P<collection>.+)")
_MONGO = re.compile(r"(?P<uri>mongodb(?:\+srv)?://[^/]+)/(?P<database>[^/.?]+)[/.](?P<collection>[^?]+)")
_HUB = re.compile(r"(?:hub:)?(?P<path>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.-]+))?")
_WORDS = re.compile(r"[^a-z0-9]+")
# Beside a validation split, these words mean the test split; alone, the validation split.
_EVALUATION = {"eval", "evaluation"}


def source_at(address: str) -> dict[str, Any]:
    """Return the keys of the source section that name the data; hub data sets without a revision.

    Raises:
        AssayError: there is nothing at the address, or it holds a password.
    """
    for pattern in (_MONGO_BY_VARIABLE, _MONGO):
        if match := pattern.fullmatch(address):
            return {"kind": "mongo", **_without_password(match.groupdict())}
    path = Path(address).expanduser()
    if address and path.is_dir():
        _check_readable(path)
        if is_saved(path):
            return {"kind": "hub", "path": address}
        return {"kind": "files", "paths": _set_of_rows(path) or _split_of_files(_files_in(path), path)}
    if path.is_file() or is_remote(address):
        return {"kind": "files", "paths": {address: "all"}}
    if any(character in address for character in "*?["):
        if files := list(map(str, glob_files(str(path)))):
            return {"kind": "files", "paths": published_splits(_splits_of_paths(files)) or {address: "all"}}
    elif match := _HUB.fullmatch(address):
        return {"kind": "hub", **{key: value for key, value in match.groupdict().items() if value}}
    if address and path.exists():
        raise AssayError(f"{address} is neither a file nor a folder; copy its rows into a file")
    raise AssayError(f"{address or repr(address)}: there is no such data; name {FORMS}")


def split_of_name(name: str) -> str | None:
    """Return the split that a file or published split is named after, such as `train` for `atis.train.csv`."""
    words = [SPLIT_ALIASES[word] for word in _WORDS.split(name.lower()) if word in SPLIT_ALIASES]
    return words[0] if len(words) == 1 else None


def recipe_name(address: str) -> str:
    """Return a name for a recipe, after the last part of the address without its ending."""
    last = re.split(r"[/.]", address)[-1] if address.startswith(("mongo", "env:")) else Path(address.split("@")[0]).name
    stem = last.partition(".")[0] or last
    # Letters without their marks: ö is o, ß is ss.
    letters = unicodedata.normalize("NFKD", stem.casefold()).encode("ascii", "ignore").decode()
    return _WORDS.sub("-", letters).strip("-")[:100] or "recipe"


def named_splits(names: Iterable[str]) -> dict[str, str]:
    """Return the split that each published split of a data set is named after, or `all`."""
    return _with_evaluation({name: split_of_name(name) or "all" for name in names})


def published_splits(names: Mapping[str, str]) -> dict[str, str] | None:
    """Return the splits of files or published splits by name; None if they name no training and test rows.

    Names of no split are left out. Without a test split, validation rows are the test rows: validation rows are then
    held out from training.
    """
    splits = {name: split for name, split in names.items() if split != "all"}
    if "train" not in splits.values():
        return None
    if "test" not in splits.values():
        if "validation" not in splits.values():
            return None
        return {name: "test" if split == "validation" else split for name, split in splits.items()}
    return splits


def _set_of_rows(folder: Path) -> dict[str, str] | None:
    """Return the parts of a folder that is a set of rows itself, such as JointBERT's, with their splits; else None."""
    parts = parts_of(folder, "all")
    if folder in parts:
        try:
            describe_folder(folder)
        except AssayError:
            return None
    names = {str(part): split for part, split in parts.items()}
    return published_splits(names) or dict.fromkeys(names, "all")


def _files_in(folder: Path) -> list[str]:
    found = sorted(_visible_files(folder))
    if files := [str(path) for path in found if _is_readable(path)]:
        return files
    folders = sorted({path.parent.name for path in found if path.suffix == ".txt"})
    if len(folders) > 1:
        raise AssayError(
            f"{folder} holds a text in each .txt file, in the folders {', '.join(folders[:MOST_SHOWN])}; Assay reads "
            "files of rows: write a table with the text and its folder in each row"
        )
    raise AssayError(f"{folder} holds no file of a known kind; name {FORMS}")


def _visible_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and of the folders in it, without hidden ones.

    Raises:
        AssayError: one of the folders cannot be read.
    """
    for path in sorted(folder.iterdir()):
        if is_hidden(Path(path.name)):
            continue
        if path.is_dir() and not path.is_symlink():
            _check_readable(path)
            yield from _visible_files(path)
        elif path.is_file():
            yield path


def _check_readable(folder: Path) -> None:
    if not os.access(folder, os.R_OK | os.X_OK):
        raise AssayError(f"{folder} cannot be read; check its permissions")


def _is_readable(path: Path) -> bool:
    if has_known_name(path):
        return True
    try:
        describe_file(path)
    except AssayError:
        return False
    return True


def _split_of_files(files: list[str], folder: Path) -> dict[str, str]:
    return published_splits(_splits_of_paths(files, folder)) or dict.fromkeys(_as_glob(files, folder), "all")


def _as_glob(files: list[str], folder: Path) -> list[str]:
    """Return a glob in place of many files, if it matches them and no others."""
    for pattern in ("*", "**/*"):
        address = f"{glob.escape(str(folder))}/{pattern}{Path(files[0]).suffix}"
        if len(files) > MOST_FILES and sorted(map(str, glob_files(address))) == sorted(files):
            return [address]
    return files


def _splits_of_paths(files: list[str], folder: Path | None = None) -> dict[str, str]:
    """Return the split that each file, or the folder inside `folder` that holds it, is named after."""
    splits: dict[str, str] = {}
    for file in files:
        path = Path(file)
        inner = path.parent.name if folder is not None and path.parent != folder else ""
        splits[file] = split_of_name(path.name) or split_of_name(inner) or "all"
    return _with_evaluation(splits)


def _with_evaluation(splits: dict[str, str]) -> dict[str, str]:
    """Let parts named after an evaluation be the test split where another part is for validation."""
    evaluation = {file for file, split in splits.items() if split == "validation" and _is_evaluation(file)}
    validation = {file for file, split in splits.items() if split == "validation"} - evaluation
    if "test" in splits.values() or not validation:
        return splits
    return splits | dict.fromkeys(evaluation, "test")


def _is_evaluation(name: str) -> bool:
    """Return whether a file, or its folder where the file has no word of a split, is named after an evaluation."""
    path = Path(name)
    named = path.name if split_of_name(path.name) else path.parent.name
    return not _EVALUATION.isdisjoint(_WORDS.split(named.lower()))


def _without_password(parts: dict[str, Any]) -> dict[str, Any]:
    if "@" in parts["uri"]:
        raise AssayError(
            "the address of MongoDB holds a password, which would be stored in the recipe; put the address into an "
            f"environment variable and name the data by env:VARIABLE/{parts['database']}.{parts['collection']}"
        )
    return parts
