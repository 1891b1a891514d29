"""What is kept and what goes: versions copied to another registry, old results removed, rows erased."""
