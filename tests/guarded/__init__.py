"""Models with permissions, for the tests of what calls may do."""
