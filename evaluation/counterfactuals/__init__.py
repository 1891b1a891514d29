"""Counterfactual texts: one term replaces another, so that only the person or group in the text changes."""
