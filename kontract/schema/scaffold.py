"""Beginning a migration file, for what does not happen by itself."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from django.apps import AppConfig, apps

from kontract.exceptions import SchemaError
from kontract.orm.source import find_model
from kontract.schema.diff import Refusal
from kontract.schema.loader import PACKAGE, load

_FILE: Final = '''"""{title}."""

from kontract.schema import moves


class Migration(moves.Migration):
    """What kontract_migrate does in every namespace, in this order."""

    dependencies = {dependencies}
    operations = [{operations}]
'''
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


def create(name: str, refusals: Sequence[Refusal], sources: Iterable[str], label: str | None = None) -> Path:
    """Write a migration file called ``name`` with operations, given as source; return where it is.

    It goes to the app ``label``, or to that of the first table that ``refusals`` are about.  Raises ``SchemaError``
    for an app or a name that cannot be.
    """
    if not _NAME.fullmatch(name):
        raise SchemaError(f"{name!r} cannot name a migration file: use small letters, digits and '_', as in Python.")
    app = _find_app(refusals, label)
    folder = Path(app.path) / PACKAGE
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").touch()
    path = folder / f"{_next_number(folder):04}_{name}.py"
    lines = "".join(f"\n        {source}," for source in sources)
    title = name.replace("_", " ").capitalize()
    content = _FILE.format(title=title, dependencies=_dependencies(app), operations=f"{lines}\n    " if lines else "")
    path.write_text(content, encoding="utf-8")
    return path


def _find_app(refusals: Sequence[Refusal], label: str | None) -> AppConfig:
    if label is not None:
        try:
            return apps.get_app_config(label)
        except LookupError as error:
            raise SchemaError(str(error)) from error
    for refusal in refusals:
        if (model := find_model(refusal.table) or find_model(refusal.new_table)) is not None:
            return apps.get_app_config(model._meta.app_label)
    raise SchemaError("It is not known which app the migration file belongs to. Say so: --app LABEL.")


def _next_number(folder: Path) -> int:
    numbers = [int(path.name[:4]) for path in folder.glob("[0-9][0-9][0-9][0-9]_*.py")]
    return max(numbers, default=0) + 1


def _dependencies(app: AppConfig) -> list[tuple[str, str]]:
    """Return the last files of other apps: what the file was written upon."""
    last = {migration.app_label: migration.name for migration in load() if migration.app_label != app.label}
    return [(label, name.partition(".")[2]) for label, name in last.items()]
