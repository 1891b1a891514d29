"""Train, assay, promote and serve NLP models."""

from importlib.metadata import version

__version__ = version("assay")
