"""The gate's whole answer: a list of checks, each with what was measured and what was asked for."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, computed_field

from corpus.digest import digest_json


class Check(BaseModel):
    """One check. `judged` is False where there was too little to judge by; such a check reports, never fails."""

    model_config = ConfigDict(frozen=True)

    name: str
    measured: str
    required: str
    passed: bool
    why: str
    judged: bool = True


class Verdict(BaseModel):
    """All checks of one candidate. Passed only if there are checks and every one passed."""

    model_config = ConfigDict(frozen=True)

    recipe: str
    bundle: str
    snapshot: str
    splits: str
    champion: str | None
    checks: list[Check]
    forced: str | None = None

    @computed_field  # type: ignore[prop-decorator]  # pydantic's documented form
    @property
    def outcome(self) -> Literal["passed", "refused"]:
        """Whether the candidate may be promoted on its merits."""
        return "passed" if self.checks and all(check.passed for check in self.checks) else "refused"

    @property
    def failed(self) -> list[Check]:
        """The checks that speak against promotion."""
        return [check for check in self.checks if not check.passed]

    @property
    def digest(self) -> str:
        """SHA-256 of the verdict."""
        return digest_json(self.model_dump(mode="json"))
