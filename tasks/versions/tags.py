"""What runs and versions are tagged with, to find the data that they were made of."""

SNAPSHOT_TAG, SPLITS_TAG = "assay.snapshot", "assay.splits"
RECIPE_NAME_TAG = "assay.recipe_name"
