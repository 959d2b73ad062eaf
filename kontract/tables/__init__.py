"""Logical tables: what exists (the catalog) and what is in them (``env.storage``)."""

from kontract.tables.catalog import create, create_namespace, drop, names

__all__ = ["create", "create_namespace", "drop", "names"]
