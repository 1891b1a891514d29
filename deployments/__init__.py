"""How Assay is put to work on machines."""
