"""Storage: atomic files and folders, digests, artifact references, remote files, the shared store and its leases."""
