"""Fixtures of the registry's tests; those of versions need toy bundles as the tests of tasks do."""

from tests.tasks.conftest import make_bundle

__all__ = ["make_bundle"]
