"""Documents of annotation tools, each tool in a module of its own, and how they are told apart."""
