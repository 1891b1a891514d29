"""What a verdict about a bundle allows in the registry."""

from assay.corpus.errors import AssayError
from assay.evaluation.verdict import Verdict
from assay.registry.history import shortened
from assay.registry.versions import Version


def check_bundle(verdict: Verdict, digest: str) -> None:
    """Check that a verdict is about the bundle of this digest.

    Raises:
        AssayError: it is about another one.
    """
    if verdict.bundle != digest:
        raise AssayError(f"the verdict is about bundle {verdict.bundle}, not {digest}; run the gate on this bundle")


def why_forced(version: Version, verdict: Verdict) -> str | None:
    """Return why the promotion of a version is forced, or None if the verdict allows it.

    Raises:
        AssayError: the verdict refuses, or is about another bundle.
    """
    check_bundle(verdict, version.bundle)
    if verdict.outcome == "passed":
        return None
    if forced := shortened(verdict.forced or ""):
        return forced
    raise AssayError(
        f"{version.address} was refused ({failed_names(verdict)}); fix the model, or force it with a reason"
    )


def failed_names(verdict: Verdict) -> str:
    """Return the names of the failed checks in one line."""
    return ", ".join(check.name for check in verdict.failed) or "no checks were made"
