"""A project whose cookbook is looked at in a browser."""
