"""Registered models in MLflow: versions, approvals, and the champion, which changes under a lease and with a history."""
