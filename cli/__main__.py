"""Run `assay` as `python -m assay.cli`, if the script is not installed."""

from assay.cli import main

# A spawned process imports this module again under another name.
if __name__ == "__main__":
    main()
