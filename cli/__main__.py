"""`python -m assay.cli`, where the `assay` script is not installed."""

from assay.cli import main

# A process that is spawned imports this module again, by another name.
if __name__ == "__main__":
    main()
