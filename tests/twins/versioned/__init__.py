"""The versioned twins."""
