"""Registered models in MLflow: versions, approvals, and the champion with its history, changed under a lease."""
