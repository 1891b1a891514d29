"""Drift detection: window statistics of incoming rows, tests against a reference, and reports."""
