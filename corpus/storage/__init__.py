"""Files and folders that appear completely or not at all, digests, leases, and stores at remote addresses."""
