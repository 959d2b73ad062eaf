"""Refusing to change what other tables refer to by a unique value.

Such references are found by the value's key row, in one statement that knows each table at one number of its schema.
So they could not be kept while code of two releases runs.
"""

from collections.abc import Iterator
from typing import Any

from kontract.exceptions import SchemaError
from kontract.orm.rules import keyed_references
from kontract.orm.source import find_model
from kontract.schema.moves.base import Move
from kontract.schema.moves.renaming import RenameField
from kontract.schema.moves.splitting import SplitField
from kontract.schema.moves.tables import RenameTable


def refuse_referred(operation: Move) -> None:
    """Raise ``SchemaError`` where models declare a reference by a unique value that ``operation`` would change."""
    renamed = operation.new if isinstance(operation, RenameTable) else None
    table = renamed or operation.table
    columns = set(_columns(operation))
    for (source, column), (target, to) in keyed_references(find_model(table)):
        is_target = target == table and (renamed is not None or to in columns)
        if is_target or (source == table and column in columns):
            raise SchemaError(
                f"{source}.{column} refers to {target}.{to} by its value (to_field), so that this cannot be done at "
                f"once: {operation.describe()}. Give the foreign key db_constraint=False and run kontract_migrate; "
                "then apply this file and run kontract_migrate finish; then take db_constraint=False away again, and "
                "run kontract_migrate, which asks all documents."
            )


def _columns(operation: Move) -> Iterator[str]:
    """Yield the columns, before and after, that an operation on fields is about."""
    if isinstance(operation, RenameField):
        yield from (operation.old, operation.new)
    elif isinstance(operation, SplitField):
        yield from (operation.name, *operation.into)
    else:
        name: Any = getattr(operation, "name", None)
        if name is not None:
            yield name
