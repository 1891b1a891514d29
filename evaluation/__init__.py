"""Evaluate bundles on labelled rows: predictions, metrics, statistical tests and gate checks."""
