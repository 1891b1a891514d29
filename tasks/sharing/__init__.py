"""The shared store: what machines that see no common folder know of each other's runs."""
