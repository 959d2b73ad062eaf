"""``env``: where code of the project finds its logical tables."""

from typing import Final

from kontract.tables.proxy import TableProxy


class Storage:
    """All logical tables: ``env.storage.users``, or ``env.storage["users"]`` for any name."""

    __slots__ = ()

    def __getattr__(self, name: str) -> TableProxy:
        if name.startswith("_"):  # Python's and its tools' own
            raise AttributeError(f'Write env.storage["{name}"] for a table whose name begins with "_".')
        return TableProxy(name)

    def __getitem__(self, name: str) -> TableProxy:
        return TableProxy(name)


class Env:
    """What code of the project works with: ``env.storage``."""

    __slots__ = ()
    storage: Final = Storage()


env = Env()
