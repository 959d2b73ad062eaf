"""kontract against plain Django, its history packages and raw SQL: one run, one server, the same data, ratios only."""
