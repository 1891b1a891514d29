"""Copy versions to another registry, collect old results as garbage, and erase rows."""
