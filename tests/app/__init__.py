"""An app whose procedures the tests call."""
