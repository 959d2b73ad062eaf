"""The demo project: its settings, its URLs, and how servers run it."""
