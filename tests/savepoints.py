"""Savepoints set by hand."""

from django.db import connection


def set_savepoint() -> str:
    """Set a savepoint as ``transaction.savepoint()`` does, which is called otherwise from Django 6.1 on."""
    savepoint = connection.savepoint()
    assert savepoint is not None, "There is no open transaction."
    return savepoint
