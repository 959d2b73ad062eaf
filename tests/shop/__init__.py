"""A small shop whose models are versioned, to try Django's own parts and other people's libraries on."""
