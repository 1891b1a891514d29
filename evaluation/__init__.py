"""What a bundle answers to labelled rows, and the figures and tests made of that."""
