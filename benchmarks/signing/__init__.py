"""What the benchmark of signing in calls, and its database."""
