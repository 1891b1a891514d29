"""The one configuration: its schema, its loader and the shipped recipes."""
