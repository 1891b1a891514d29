"""The source of a recipe from an address as people type it: files, a folder, a collection, a data set of the hub."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.corpus.documents.raw_document import SPLIT_ALIASES
from assay.corpus.errors import AssayError
from assay.corpus.sources.files import glob_files
from assay.corpus.sources.folders import describe_folder, parts_of
from assay.corpus.sources.hub import SAVED_BY_DATASETS
from assay.corpus.sources.recognition import describe_file, has_known_name
from assay.corpus.storage.remote_files import is_remote

FORMS = (
    "a file, a folder, a glob, owner/name of the hub (with @COMMIT), mongo:env:VARIABLE/DATABASE/COLLECTION, or "
    "mongodb://HOST/DATABASE.COLLECTION"
)
_MONGO_BY_VARIABLE = re.compile(r"(?:mongo:)?(?P<uri>env:\w+)/(?P<database>[^/.]+)[/.](?P<collection>.+)")
_MONGO = re.compile(r"(?P<uri>mongodb(?:\+srv)?://[^/]+)/(?P<database>[^/.?]+)[/.](?P<collection>[^?]+)")
_HUB = re.compile(r"(?:hub:)?(?P<path>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.-]+))?")
_WORDS = re.compile(r"[^a-z0-9]+")


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
        if any((path / name).is_file() for name in SAVED_BY_DATASETS):
            return {"kind": "hub", "path": address}
        return {"kind": "files", "paths": _set_of_rows(path) or _split_of_files(_files_in(path), path)}
    if path.is_file() or is_remote(address):
        return {"kind": "files", "paths": {address: "all"}}
    if any(character in address for character in "*?["):
        if files := list(map(str, glob_files(str(path)))):
            return {"kind": "files", "paths": published_splits(_named_splits(files)) or {address: "all"}}
    elif match := _HUB.fullmatch(address):
        return {"kind": "hub", **{key: value for key, value in match.groupdict().items() if value}}
    raise AssayError(f"{address}: there is no such data; name {FORMS}")


def split_of_name(name: str) -> str | None:
    """Return the split that a file or published split is named after, such as `train` for `atis.train.csv`."""
    words = [SPLIT_ALIASES[word] for word in _WORDS.split(name.lower()) if word in SPLIT_ALIASES]
    return words[0] if len(words) == 1 else None


def recipe_name(address: str) -> str:
    """Return a name for a recipe, after the last part of the address without its ending."""
    last = re.split(r"[/.]", address)[-1] if address.startswith(("mongo", "env:")) else Path(address.split("@")[0]).name
    stem = last.partition(".")[0] or last
    return _WORDS.sub("-", stem.lower()).strip("-")[:100] or "recipe"


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
    files = [str(path) for path in sorted(folder.rglob("*")) if path.is_file() and _is_readable(path)]
    if not files:
        raise AssayError(f"{folder} holds no file of a known kind; name {FORMS}")
    return files


def _is_readable(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    if has_known_name(path):
        return True
    try:
        describe_file(path)
    except AssayError:
        return False
    return True


def _split_of_files(files: list[str], folder: Path) -> dict[str, str]:
    return published_splits(_named_splits(files, folder)) or dict.fromkeys(files, "all")


def _named_splits(files: list[str], folder: Path | None = None) -> dict[str, str]:
    """Return the split that each file, or the folder inside `folder` that holds it, is named after."""
    splits: dict[str, str] = {}
    for file in files:
        path = Path(file)
        inner = path.parent.name if folder is not None and path.parent != folder else ""
        splits[file] = split_of_name(path.name) or split_of_name(inner) or "all"
    return splits


def _without_password(parts: dict[str, Any]) -> dict[str, Any]:
    if "@" in parts["uri"]:
        raise AssayError(
            "the address of MongoDB holds a password, which would be stored in the recipe; put the address into an "
            f"environment variable and name the data by env:VARIABLE/{parts['database']}.{parts['collection']}"
        )
    return parts
