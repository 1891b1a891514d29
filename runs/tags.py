"""Tags of MLflow runs, of versions and of registered models.

Every tag that runs, the registry and tasks write or read by name stands here; what serving reads alone is defined
there. Tags of runs and of versions have one meaning each: `assay.recipe` is always the name of a recipe.
"""

from assay.serving.registered_model import BUNDLE_TAG, VERDICT_TAG
from assay.serving.signatures import SIGNATURE_TAG

__all__ = [
    "ALIAS_CHANGE_TAG",
    "APPROVAL_TAG",
    "BEST_TRIAL_TAG",
    "BUNDLE_TAG",
    "CODE_TAG",
    "COPIED_FROM_TAG",
    "COPIED_TO_TAG",
    "COPY_TAG",
    "DEVICE_TAG",
    "EVALUATION_TAG",
    "FAILED_TAG",
    "FORCED_TAG",
    "LEDGER_TAG",
    "LOGGED_MODEL_TAG",
    "OUTCOME_TAG",
    "PRECISION_TAG",
    "PROMOTED_TAG",
    "REASON_TAG",
    "RECIPE_DIGEST_TAG",
    "RECIPE_TAG",
    "REPLACED_TAG",
    "REPRODUCES_TAG",
    "RUN_TAG",
    "SIGNATURE_TAG",
    "SNAPSHOT_TAG",
    "SPLITS_TAG",
    "STEP_TAG",
    "TAG_CHECK_TAG",
    "TEST_ROWS_TAG",
    "TRAINING_WARNINGS_TAG",
    "TRIAL_TAG",
    "TUNED_TAG",
    "VERDICT_TAG",
]

# Runs and versions: what they were made of.
RECIPE_TAG, RECIPE_DIGEST_TAG = "assay.recipe", "assay.recipe_digest"  # its name; digest of its values
RUN_TAG = "assay.run"  # key of the run
SNAPSHOT_TAG, SPLITS_TAG = "assay.snapshot", "assay.splits"  # digests
LEDGER_TAG = "assay.ledger"  # id of the split ledger
CODE_TAG = "assay.code"  # digest of the source of this package

# Runs: how they trained, and nested runs.
DEVICE_TAG, PRECISION_TAG = "assay.device", "assay.precision"
TRAINING_WARNINGS_TAG = "assay.training_warnings"
TAG_CHECK_TAG = "assay.tag_check"  # share of the entities that the tokenizer's words reproduce, as a sentence
STEP_TAG = "assay.step"  # folder name of the step that has a nested run
TUNED_TAG, BEST_TRIAL_TAG = "assay.tuned", "assay.best_trial"  # overrides of the best trial; its number
TRIAL_TAG = "assay.trial"  # state of a trial
REPRODUCES_TAG = "assay.reproduces"  # address of the version that the run reproduces
COPY_TAG = "assay.copy_of"  # digest of the bundle that the run is a copy for

# Versions: evaluation, verdict and approval. The outcome stands with the run, too.
EVALUATION_TAG = "assay.evaluation"  # digest
TEST_ROWS_TAG = "assay.test_rows"  # a sample of the test rows, see row_sample
OUTCOME_TAG = "assay.outcome"  # passed, refused or pending
FAILED_TAG = "assay.failed"  # names of the failed checks, or `approval`
APPROVAL_TAG = "assay.approval"  # record of the approval, as JSON

# Versions: promotion and copies.
PROMOTED_TAG, REASON_TAG, REPLACED_TAG = "assay.promoted_at", "assay.reason", "assay.replaced"
FORCED_TAG = "assay.forced"  # why a refused version was promoted
# MLflow itself links version and logged model only where the version is made from models:/ID.
LOGGED_MODEL_TAG = "assay.model"
COPIED_TO_TAG = "assay.copied_to."  # prefix; one tag for each copy that `assay copy` has made
COPIED_FROM_TAG = "assay.copied_from"  # address of the original, also of the run of a copy

# Registered models: prefix; one tag for each change of the alias `champion`, see `assay.registry.history`.
ALIAS_CHANGE_TAG = "assay.alias_change."
