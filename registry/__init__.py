"""Versions of a registered model in MLflow: kept, aliased, moved under a lease, written down."""
