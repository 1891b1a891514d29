"""Whether what comes in is still what the champion was trained on: rows observed, tested, reported."""
