"""One training: in this process, or shared by several that torchrun starts."""
