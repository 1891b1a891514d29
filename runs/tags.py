"""What runs and versions are tagged with, to find the data that they were made of, and why a version serves."""

from assay.serving.registered_model import VERDICT_TAG

__all__ = ["RECIPE_NAME_TAG", "RUN_TAG", "SNAPSHOT_TAG", "SPLITS_TAG", "TAG_CHECK_TAG", "VERDICT_TAG"]

SNAPSHOT_TAG, SPLITS_TAG = "assay.snapshot", "assay.splits"
TEST_ROWS_TAG = "assay.test_rows"  # a sample of the test rows, see row_sample
RECIPE_NAME_TAG = "assay.recipe_name"
RUN_TAG = "assay.run"  # the run whose candidate it is
TAG_CHECK_TAG = "assay.tags_give_back"  # share of the entities that the words of the tokenizer give back, in words
