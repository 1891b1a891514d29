"""What runs and versions are tagged with, to find the data that they were made of, and why a version serves."""

SNAPSHOT_TAG, SPLITS_TAG = "assay.snapshot", "assay.splits"
TEST_ROWS_TAG = "assay.test_rows"  # a sample of the test rows, see row_sample
RECIPE_NAME_TAG = "assay.recipe_name"
RUN_TAG, VERDICT_TAG = "assay.run", "assay.verdict"  # the run that was judged, and the digest of what was said
