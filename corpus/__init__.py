"""Data classes (Example, Snapshot, Splits) and the readers and writers of rows."""
