"""Assignment of rows to splits: near-duplicates, iterative stratification, the ledger of previous assignments."""
