"""References to the results of steps: small enough to pass on as JSON, and typed by the artifact."""

from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict


class Artifact(Protocol):
    """Content of a finished folder, such as a snapshot, a checkpoint or an evaluation."""

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
        """Return the reference as a reference to an artifact of this type."""
        return ArtifactRef[kind](path=self.path, digest=self.digest)  # type: ignore[valid-type]  # a class at run time


class ArtifactRef(Ref, Generic[T]):
    """A reference to an artifact of one type: `ArtifactRef[Snapshot]` is not an `ArtifactRef[Splits]`.

    Example:
        >>> def split(run: Run, snapshot: ArtifactRef[Snapshot]) -> ArtifactRef[Splits]:
        ...     rows = snapshot.load().manifest.counts.rows
    """

    def load(self) -> T:
        """Open the artifact.

        Raises:
                AssayError: it is missing or incomplete.
        """
        kind: type[T] = self.__pydantic_generic_metadata__["args"][0]
        return kind.load(self.path)
