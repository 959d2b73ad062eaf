"""Running one function on both twins, and comparing what comes out of it."""

from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction


class Models:
    """The models of one kind: ``Models("plain").Book``."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return apps.get_model(self.kind, name)


Function = Callable[[Models], Any]


class Both:
    """Compares the twins; what has been written is removed before each comparison, unless it is ``shared``."""

    def __init__(self, *, shared: bool = False) -> None:
        self.shared = shared

    def __call__(self, function: Function) -> Any:
        """Run ``function`` on both twins, fail unless the results are equal, and return them."""
        expected, found = self._run("plain", function), self._run("versioned", function)
        assert found == expected, f"\n    plain: {expected}\nversioned: {found}"
        return found

    def raises(self, kind: type[Exception], function: Function) -> None:
        """Run ``function`` on both twins and fail unless each raises this kind of exception."""
        for twin in ("plain", "versioned"):
            try:
                result = self._run(twin, function)
            except kind:
                continue
            raise AssertionError(f"The {twin} twin raised no {kind.__name__} but returned {result!r}.")

    def _run(self, kind: str, function: Function) -> Any:
        if kind == "plain" and not self.shared:
            plain_tables.empty()
        return comparable(function(Models(kind)))


@contextmanager
def rolled_back() -> Iterator[None]:
    """Leave everything as it was."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def comparable(value: Any) -> Any:
    """Return a value that is equal where the twins mean the same: types count, and objects are equal by key."""
    if isinstance(value, models.Model):
        return type(value).__name__, comparable(value.pk)
    if isinstance(value, str):
        return value.replace("versioned", "plain") if type(value) is str else value
    if isinstance(value, Mapping):
        return {comparable(key): comparable(item) for key, item in value.items()}
    if isinstance(value, Set):
        return sorted(map(repr, map(comparable, value)))
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, (list, tuple, models.QuerySet)) or hasattr(value, "__next__"):
        return [comparable(item) for item in value]
    return repr(value)


def plain_models() -> list[Any]:
    """Return the ordinary models that have a table, those between two others included."""
    return [m for m in apps.get_app_config("plain").get_models(include_auto_created=True) if not m._meta.proxy]


class PlainTables:
    """The tables of the ordinary twins, all tests' in common."""

    def __init__(self) -> None:
        self.content: object = None  # who filled them

    def create(self) -> None:
        """Create the tables."""
        with connection.schema_editor() as editor:
            for model in plain_models():
                if not model._meta.auto_created:
                    editor.create_model(model)

    def empty(self) -> None:
        """Delete everything."""
        quote = connection.ops.quote_name
        statements = [f"DELETE FROM {quote(model._meta.db_table)}" for model in plain_models()]  # noqa: S608
        with connection.cursor() as cursor:
            cursor.execute("; ".join(statements))
        self.content = None

    def fill(self, fill: Callable[[Models], None]) -> None:
        """Let ``fill`` fill the tables, unless it was the last that did."""
        if self.content is not fill:
            self.empty()
            fill(Models("plain"))
            self.content = fill


plain_tables = PlainTables()
