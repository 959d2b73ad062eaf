"""Schema changes: what logical tables look like, how two states differ, and what brings one to the other."""
