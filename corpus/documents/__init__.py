"""Documents of a source and their conversion to examples: formats, values, entity spans, rejects."""
