"""How a statement fails where a rule is broken: only an error stops the COMMIT in the same message."""

from typing import Final

OUTDATED: Final = "kontract: a table or document is gone since it was looked up"

VIOLATION: Final = "kontract: violates "
PRIMARY_KEY: Final = "primary key constraint"


def fail_unless(condition: str, otherwise: str = "NULL") -> str:
    """Return an expression that fails unless ``condition``: only an error stops the COMMIT in the same message.

    ``otherwise`` is what it fails with, too, unless that is NULL.
    """
    return f"(CASE WHEN {condition} THEN coalesce({otherwise}, '1') ELSE '{OUTDATED}' END)::int"


def quote(value: str) -> str:
    """Return the literal of a text, for a statement that has parameters."""
    return "'" + value.replace("'", "''").replace("%", "%%") + "'"
