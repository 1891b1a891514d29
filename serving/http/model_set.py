"""The models of a server: one by default, and further ones by name. Each is followed and swapped by itself."""

from collections.abc import Iterator
from dataclasses import dataclass

from assay.corpus.errors import AssayError
from assay.serving.http import error_responses as errors
from assay.serving.http.active_model import ActiveModel


@dataclass(frozen=True)
class ModelSet:
    """The models of a server. `default` serves requests that name none, and holds the state of the server."""

    default: ActiveModel
    others: tuple[ActiveModel, ...] = ()

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            AssayError: two models have one name.
        """
        names = [active.model.name for active in self]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise AssayError(f"two models are named {twice!r}; a server finds models by name, so leave one --model out")

    def __iter__(self) -> Iterator[ActiveModel]:
        yield self.default
        yield from self.others

    @property
    def ready(self) -> bool:
        """Whether load balancers should send new requests to this server."""
        return self.default.ready

    def find(self, name: str | None, version: str | None = None) -> ActiveModel:
        """Return the model of a name, None for the default one.

        Raises:
            Refusal: 404, there is no such model, or its active version is another one.
        """
        for active in self if name is not None else (self.default,):
            if name in (None, active.model.name) and version in (None, active.model.version_name):
                return active
        requested = f"{str(name)[:80]}{f' version {str(version)[:20]}' if version else ''}"
        present = " or ".join(f"{active.model.name} version {active.model.version_name}" for active in self)
        raise errors.Refusal(404, f"there is no model {requested}; request {present}", "not_found")

    def slowest(self) -> ActiveModel:
        """Return the model with the largest cost per token, by which waits are estimated."""
        if not self.others:
            return self.default
        return max(self, key=lambda active: active.model.cost.seconds_per_token)
