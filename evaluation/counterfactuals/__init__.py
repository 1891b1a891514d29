"""Texts in which one term stands for another: who or what a text is about changes, and nothing else."""
