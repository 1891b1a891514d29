"""Error codes of MLflow, and requests for what may not be there."""

from collections.abc import Callable, Collection
from typing import TypeVar

from mlflow.exceptions import MlflowException

T = TypeVar("T")

# Codes for a run, a model or a version that does not exist, for an alias that does not, and for a name that is taken.
NOT_FOUND, NO_ALIAS, EXISTS = "RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS"


def found(request: Callable[[], T], missing: Collection[str] = (NOT_FOUND,)) -> T | None:
    """Return the result of a request, or None if MLflow does not (or no longer) know what it is about.

    Args:
        request: the request.
        missing: error codes that say so; any other error is raised.
    """
    try:
        return request()
    except MlflowException as error:
        if error.error_code in missing:
            return None
        raise
