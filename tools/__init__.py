"""Scripts of the project itself: none of them is installed."""
