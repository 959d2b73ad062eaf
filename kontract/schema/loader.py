"""Finding the migration files of a project: ``<app>/kontract_migrations/0001_name.py``, and their order."""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Final

from django.apps import AppConfig, apps

from kontract.exceptions import SchemaError
from kontract.schema.moves import Migration as MigrationClass
from kontract.schema.moves import Move

PACKAGE: Final = "kontract_migrations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """A migration file: ``name`` is its app's label and its own name, ``module`` what imports it."""

    name: str
    app_label: str
    module: str
    operations: tuple[Move, ...]
    dependencies: tuple[str, ...] = ()


def load() -> list[Migration]:
    """Return all migration files of the installed apps, each after those that it depends on.

    Raises ``SchemaError`` for a file without a class ``Migration``, and for dependencies that are missing or circular.
    """
    found = {migration.name: migration for app in apps.get_app_configs() for migration in _load_app(app)}
    for migration in found.values():
        for name in migration.dependencies:
            if name not in found:
                raise SchemaError(f"The migration {migration.name} depends on {name}, which is in no installed app.")
    return [found[name] for name in _ordered(found.values())]


def _ordered(migrations: Iterable[Migration]) -> Iterator[str]:
    sorter = TopologicalSorter({migration.name: migration.dependencies for migration in migrations})
    try:
        sorter.prepare()
    except CycleError as error:
        raise SchemaError(f"Migrations depend on each other in a circle: {' -> '.join(error.args[1])}.") from error
    while sorter.is_active():
        ready = sorted(sorter.get_ready())  # the same order everywhere
        yield from ready
        sorter.done(*ready)


def _load_app(app: AppConfig) -> Iterator[Migration]:
    package_name = f"{app.name}.{PACKAGE}"
    try:
        package = importlib.import_module(package_name)
    except ModuleNotFoundError as error:
        if error.name != package_name:
            raise
        return
    before: tuple[str, ...] = ()
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        if info.name.startswith("_"):
            continue
        migration = _load_file(app.label, info.name, f"{package_name}.{info.name}", before)
        before = (migration.name,)
        yield migration


def _load_file(label: str, name: str, module: str, before: tuple[str, ...]) -> Migration:
    found = getattr(importlib.import_module(module), "Migration", None)
    if not (isinstance(found, type) and issubclass(found, MigrationClass)):
        raise SchemaError(f"{module} has no class Migration(kontract.schema.moves.Migration).")
    for operation in found.operations:
        if not isinstance(operation, Move):
            raise SchemaError(f"{module} has {operation!r} among its operations. Use those of kontract.schema.moves.")
    given = tuple(f"{app_label}.{file}" for app_label, file in found.dependencies)
    return Migration(
        name=f"{label}.{name}", app_label=label, module=module, operations=tuple(found.operations),  # type: ignore[arg-type]
        dependencies=tuple(dict.fromkeys([*before, *given])),
    )  # fmt: skip
