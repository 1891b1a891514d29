"""A reference to the result of a step: small enough to be handed on as JSON, and typed by what lies there."""

from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict


class Artifact(Protocol):
    """What a finished folder holds, such as a snapshot, a checkpoint or an evaluation."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open a finished folder."""


T = TypeVar("T", bound=Artifact)


class Ref(BaseModel):
    """A finished folder and the digest of its files."""

    model_config = ConfigDict(frozen=True)

    path: Path
    digest: str

    def to(self, kind: type[T]) -> "ArtifactRef[T]":
        """Return the reference as one to an artifact of this kind."""
        return ArtifactRef[kind](path=self.path, digest=self.digest)  # type: ignore[valid-type]  # a class at run time


class ArtifactRef(Ref, Generic[T]):
    """A reference to an artifact of one kind: `ArtifactRef[Snapshot]` is no `ArtifactRef[Splits]`.

    Example:
        >>> def split(run: Run, snapshot: ArtifactRef[Snapshot]) -> ArtifactRef[Splits]:
        ...     rows = snapshot.load().manifest.counts.rows
    """

    def load(self) -> T:
        """Open the artifact.

        Raises:
            AssayError: it is not there, or not whole.
        """
        kind: type[T] = self.__pydantic_generic_metadata__["args"][0]
        return kind.load(self.path)
