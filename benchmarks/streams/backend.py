"""What is followed."""

from typing import Any

from kontract import backend, env, perms


@backend(perm=perms.R__)
def one_row(number: int) -> list[dict[str, Any]]:
    """Return the rows with a number, which is one."""
    return [dict(row) for row in env.storage.rows.query(number=number)]
