"""What people deploy: each file is the story of one pipeline."""
