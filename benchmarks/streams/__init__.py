"""Streams of events from real servers: whether anything is lost, how soon it comes, and what it costs."""
