"""Change events: the transaction log, read in commit order by whoever wants to know what has changed."""
