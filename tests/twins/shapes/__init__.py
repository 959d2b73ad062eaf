"""Abstract models: what the twins have in common."""
