"""The lineage of a version: read from its run to reproduce the model, or to compare two versions."""
