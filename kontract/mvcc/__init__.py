"""Versions, the clock, transactions, snapshots, history and vacuum: the engine under every face of the storage."""
