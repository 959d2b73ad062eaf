"""A namespace for one test, whose documents no other test sees."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from kontract.context import namespace
from kontract.tables import create_namespace


@contextmanager
def isolated_namespace() -> Iterator[str]:
    """Run the block in a new namespace, whose name this yields.

    Tests that commit need it, because Django's ``TransactionTestCase`` empties its models' tables only.  In a
    ``setUp``: ``self.enterContext(isolated_namespace())``.
    """
    name = f"test-{uuid.uuid4().hex}"
    create_namespace(name)
    with namespace(name):
        yield name
