"""The recipe: its schema, its loader and the shipped recipes."""
