"""Texts that are generated from the project's procedures: clients in other languages, and descriptions of the API."""
