"""The model card: what it shows, its plots and templates."""
