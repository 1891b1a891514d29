"""The folders that `datasets` writes by `save_to_disk`: a data set, or a folder per split."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, Field, ValidationError

from assay.corpus.documents.raw_document import SPLIT_ALIASES
from assay.corpus.errors import AssayError

Schema = TypeVar("Schema", bound=BaseModel)

STATE, SPLITS = "state.json", "dataset_dict.json"
DESCRIPTIONS = (STATE, SPLITS, "dataset_info.json")


class _File(BaseModel):
    filename: str


class _State(BaseModel):
    """Content of `state.json`, as far as it is read."""

    files: list[_File] = Field(alias="_data_files")


class _Splits(BaseModel):
    """Content of `dataset_dict.json`."""

    splits: list[str]


def is_description(path: Path) -> bool:
    """Return whether a file describes a saved data set, and holds none of its rows."""
    return path.name in DESCRIPTIONS and any((path.parent / name).is_file() for name in (STATE, SPLITS))


def saved_files(folder: Path, split_name: str) -> dict[Path, str]:
    """Return the Arrow files of a saved data set in their order, each with its split; none if the folder is no such.

    Args:
        folder: a folder of a source.
        split_name: the split that the recipe gives the folder.

    Raises:
        AssayError: it holds splits that contradict the recipe or have unknown names, or what describes it is damaged.
    """
    if (folder / STATE).is_file():
        return dict.fromkeys(_files_of(folder), split_name)
    if not (folder / SPLITS).is_file():
        return {}
    names = _parsed(folder / SPLITS, _Splits).splits
    if split_name != "all":
        raise AssayError(
            f"source.paths names {folder} as {split_name}, but it holds {', '.join(names)}; map it to all, or name one "
            "of these"
        )
    for name in names:
        if name not in SPLIT_ALIASES:
            raise AssayError(
                f"{folder} holds the split {name}, which is none of train, validation and test; name the folders that "
                f"you want in source.paths, such as {folder / name}: train"
            )
    return {file: SPLIT_ALIASES[name] for name in names for file in _files_of(folder / name)}


def _files_of(folder: Path) -> list[Path]:
    return [folder / Path(file.filename).name for file in _parsed(folder / STATE, _State).files]


def _parsed(path: Path, schema: type[Schema]) -> Schema:
    try:
        return schema.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise AssayError(f"{path} is damaged or missing; save the data set again by save_to_disk") from error
