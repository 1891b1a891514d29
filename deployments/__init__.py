"""Deployments: Prefect deployments and automations, the local stack, and checks of the environment."""
