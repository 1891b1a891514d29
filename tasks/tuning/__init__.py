"""The search for better settings: its trials, and Optuna, which proposes settings."""
