"""What `datasets` writes beside the Arrow files of a data set that it saves (`save_to_disk`)."""

from pathlib import Path

# In the folder of a data set, and in that of several splits.
SAVED_BY_DATASETS = ("state.json", "dataset_dict.json")
DESCRIPTIONS = (*SAVED_BY_DATASETS, "dataset_info.json")


def is_saved(folder: Path) -> bool:
    """Return whether a folder is a saved data set, or holds the splits of one."""
    return any((folder / name).is_file() for name in SAVED_BY_DATASETS)


def is_description(path: Path) -> bool:
    """Return whether a file describes a saved data set, and holds none of its rows."""
    return path.name in DESCRIPTIONS and is_saved(path.parent)
