from tests.tasks.conftest import make_bundle

__all__ = ["make_bundle"]
