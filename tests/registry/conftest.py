"""Fixtures of the registry's tests; those of versions need toy bundles as the tests of tasks do."""

from tests.finished_run import finished
from tests.registry.toy_registry import candidate, champions, mlflow_run, registry, uri
from tests.tasks.conftest import make_bundle

__all__ = ["candidate", "champions", "finished", "make_bundle", "mlflow_run", "registry", "uri"]
