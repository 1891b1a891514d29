"""Templates and plots of the model card."""
