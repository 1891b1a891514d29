"""The demo: a MongoDB stand-in, generated data, and the whole job on them."""
