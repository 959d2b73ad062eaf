"""A manifest of procedures that are not imported: what their source says, read as a person would.

Less is known than after an import: what is computed, what other packages define and what metaclasses do is shown by
its name alone.
"""
