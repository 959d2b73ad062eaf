"""A board of journeys on kontract: visitors plan at once, see each other's changes live, and look at any moment."""
