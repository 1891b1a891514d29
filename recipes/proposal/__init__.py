"""A recipe proposed from a sample of documents: what each field holds, what it is used as, and the file itself."""
