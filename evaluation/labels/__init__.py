"""Labels that are probably wrong, rows to label next, and the tasks that annotation tools read."""
