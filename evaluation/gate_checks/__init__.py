"""The gate context and the gate checks."""
