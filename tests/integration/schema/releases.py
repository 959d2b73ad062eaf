"""Releases of a project: the model of a table as each of them declares it, and the migration files between them."""

import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from django.apps.registry import Apps

from kontract.orm import VersionedModel, source
from kontract.schema import moving
from kontract.tables import catalog, keys
from kontract.tables.catalog import locate
from tests.app import kontract_migrations

_declared: set[str] = set()


def release(table: str, **members: Any) -> Any:
    """Return the model of ``table`` with these fields, as a process has it that runs this release."""
    source._models.pop(table, None)
    options = {"app_label": "releases", "apps": Apps(), "db_table": table, **members.pop("options", {})}
    meta = type("Meta", (), options)
    _declared.add(table)
    model = type(table.capitalize(), (VersionedModel,), {"__module__": __name__, "Meta": meta, **members})
    catalog.forget("default")
    return model


def forget() -> None:
    """Undo what ``release`` has declared."""
    for table in _declared:
        source._models.pop(table, None)
        keys._declared.pop(table, None)
    _declared.clear()
    keys.forget_rules()
    catalog.forget("default")


class Files:
    """Migration files of the app ``app``, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex[:8]  # modules of other tests stay loaded
        self.count = len(list(folder.glob("*.py")))

    def add(self, operations: str, code: str = "", dependencies: str = "[]") -> str:
        """Write the next file; return its name as kontract knows it."""
        self.count += 1
        name = f"m{self.count:04}_{self.mark}"
        text = f"from kontract.schema.moves import *\n\n{code}\n\nclass Migration(Migration):\n"
        text += f"    dependencies = {dependencies}\n    operations = [{operations}]\n"
        (self.folder / f"{name}.py").write_text(text)
        return f"app.{name}"

    @contextmanager
    def installed(self) -> Iterator[Self]:
        """Let the app have the files."""
        kontract_migrations.__path__.append(str(self.folder))
        sys.path_importer_cache.pop(str(self.folder), None)
        try:
            yield self
        finally:
            kontract_migrations.__path__.remove(str(self.folder))


def up(count: int | None = None) -> None:
    """Apply the pending files in the current namespace."""
    sys.path_importer_cache.clear()
    moving.up(*locate(), count)


def down(count: int = 1) -> None:
    """Take files back in the current namespace."""
    moving.down(*locate(), count)


def finish() -> None:
    """End the time of older code."""
    moving.finish(*locate())
