"""Fixtures of the tests of lineage."""

from tests.versions import make_version

__all__ = ["make_version"]
