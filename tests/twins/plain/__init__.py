"""The ordinary twins, and an ordinary model that models of both apps refer to."""
