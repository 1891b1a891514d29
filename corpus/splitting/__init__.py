"""Which row goes to which side: near-duplicates, iterative stratification, the ledger of remembered sides."""
