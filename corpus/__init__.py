"""The data nouns (Example, Snapshot, Splits) and the readers and writers of rows."""
