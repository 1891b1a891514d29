"""The gate's evidence and its checks."""
