"""The demo: a MongoDB stand-in, generated data, and the whole pipeline on them."""
