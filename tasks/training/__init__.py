"""Run one training: in this process, or in several processes that torchrun starts."""
