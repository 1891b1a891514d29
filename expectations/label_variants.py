"""The check that no two labels differ by white space or case alone."""

from collections import defaultdict
from collections.abc import Mapping

from assay.corpus.documents.values import folded
from assay.corpus.plural import counted
from assay.corpus.snapshot import Snapshot
from assay.expectations.validation_report import CheckResult

NAME = "label variants"


def label_variant_checks(snapshot: Snapshot) -> list[CheckResult]:
    """Return one failed check, a warning, if labels differ by white space or case alone, else none."""
    manifest = snapshot.manifest
    classes = _variants(manifest.labels) + _variants(manifest.row_labels)
    types = _variants(manifest.entity_labels)
    if not classes and not types:
        return []
    parts = [f"{names}; set source.fold_labels: true to read them as one" for names in classes]
    parts += [f"{names}; give the type one name at the source" for names in types]
    return [
        CheckResult(
            name=NAME,
            severity="warning",
            passed=False,
            measured=f"{counted(len(classes) + len(types), 'label')} with variants",
            required="labels that differ by more than white space and case (source.fold_labels)",
            why="; ".join(parts),
        )
    ]


def _variants(counts: Mapping[str, int]) -> list[str]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for label, count in counts.items():
        groups[folded(label)].append(f"{label!r} ({count})")
    return [" and ".join(names) for names in groups.values() if len(names) > 1]
