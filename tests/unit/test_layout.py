"""Enforce the layout: imports run one way, SQL and settings each live in one place."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import kontract

# A component may import those before it, in this order, and itself.
LAYERS = (
    "exceptions perms | conf context | models | mvcc | tables | orm | schema | raystream | rpc | auth | events "
    "| codegen | middleware views urls checks admin apps migrations management"
)
RANKS = {name: rank for rank, name in enumerate(LAYERS.replace("|", " ").split())}
# Nothing imports these.  They import little, except that tests may look at everything.
OUTSIDE: dict[str, set[str]] = {"client": {"raystream"}, "embedded": {"exceptions", "conf"}, "testing": set(RANKS)}
SQL_ON_TABLES = re.compile(r"\b(FROM|INTO|UPDATE|JOIN)\s+(storage|trxs)\b")

PACKAGE = Path(kontract.__file__).parent


def component(module: str) -> str:
    """Return the part of the layout that a module belongs to: ``kontract.mvcc.clock`` to ``mvcc``."""
    return f"{module}.".split(".")[1]


def imported(tree: ast.AST, module: str, *, package: bool = False) -> Iterator[str]:
    """Yield the dotted name of all that is imported anywhere in a module: in functions and for types alike."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: module.count(".") + 1 + package - node.level] if node.level else []
            base = ".".join([*above, node.module] if node.module else above)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def may_import(importer: str, importee: str) -> bool:
    """Tell whether one component may import another."""
    if importer == importee:
        return True
    if importer in OUTSIDE:
        return importee in OUTSIDE[importer]
    return importer in RANKS and importee in RANKS and RANKS[importee] < RANKS[importer]


def violations(module: str, source: str, *, package: bool = False) -> Iterator[str]:
    """Yield what a module does against the layout."""
    tree = ast.parse(source)
    here = component(module)
    for name in imported(tree, module, package=package):
        if name.split(".")[0] == "kontract" and not may_import(here, component(name)):
            yield f"{module} imports {name}, which is not to its left"
        if here in ("raystream", "client") and name.split(".")[0] == "django":
            yield f"{module} imports {name}, but {here} knows no Django"
        if here == "raystream" and name.split(".")[0] == "kontract" and component(name) != here:
            yield f"{module} imports {name}, but raystream needs nothing else of kontract"
        if here != "conf" and re.match(r"django\.conf(\.settings)?$", name):
            yield f"{module} reads the settings, but only conf may"
    if not f"{module}.".startswith("kontract.mvcc.versions.") and here not in ("orm", "migrations"):
        yield from (f"{module} writes SQL on the two tables: {text!r}" for text in sql_on_tables(tree))


def sql_on_tables(tree: ast.AST) -> Iterator[str]:
    """Yield the strings that look like SQL on ``storage`` or ``trxs``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL_ON_TABLES.search(node.value):
            yield node.value


def modules() -> Iterator[tuple[str, Path]]:
    """Yield every module of the package but its root, which hands out names lazily from everywhere."""
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name != "kontract":
            yield name, path


def test_the_package_keeps_to_the_layout() -> None:
    found = [v for name, path in modules() for v in violations(name, path.read_text(), package=path.stem == "__init__")]
    assert found == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("kontract.mvcc.clock", "from kontract.tables import catalog"),
        ("kontract.mvcc.clock", "def f():\n    import kontract.orm.query"),
        ("kontract.mvcc.clock", "if TYPE_CHECKING:\n    from kontract.tables.proxy import TableProxy"),
        ("kontract.mvcc.clock", "from ..rpc import dispatch"),
        ("kontract.mvcc.clock", "from .. import rpc"),
        ("kontract.mvcc.clock", "from kontract import env"),
        ("kontract.mvcc.clock", "import kontract"),
        ("kontract.mvcc.clock", "from kontract.embedded import database"),
        ("kontract.mvcc.clock", "import kontract.testing"),
        ("kontract.mvcc.clock", "from kontract.unheard_of import x"),
        ("kontract.unheard_of", "from kontract import perms"),
        ("kontract.exceptions", "from kontract import perms"),
        ("kontract.conf", "from kontract import context"),
        ("kontract.embedded.cluster", "from kontract.models import Storage"),
        ("kontract.raystream.keys", "import django"),
        ("kontract.raystream.keys", "from kontract.exceptions import KontractError"),
        ("kontract.client.base", "import django"),
        ("kontract.client.base", "from kontract.exceptions import KontractError"),
        ("kontract.raystream.keys", "from django.utils import timezone"),
        ("kontract.mvcc.clock", "from django.conf import settings"),
        ("kontract.mvcc.clock", "from django import conf"),
        ("kontract.mvcc.clock", "import django.conf"),
        ("kontract.mvcc.clock", 'X = "DELETE FROM storage"'),
        ("kontract.mvcc.clock", 'X = f"SELECT {y}\\nFROM\\n  trxs WHERE {z}"'),
        ("kontract.tables.keys", 'X = "INSERT INTO storage VALUES (1)"'),
        ("kontract.mvcc.versions_of", 'X = "INSERT INTO storage VALUES (1)"'),
    ],
)
def test_a_violation_is_found(module: str, source: str) -> None:
    assert len(list(violations(module, source))) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("kontract.mvcc.clock", "import json\nfrom django.db import connections\nfrom kontract.conf import get"),
        ("kontract.mvcc.clock", "from . import snapshot\nfrom .snapshot import take\nfrom ..models import Storage"),
        ("kontract.mvcc.clock", "from kontract import perms, exceptions"),
        ("kontract.context", "from kontract.conf import get"),
        ("kontract.conf", "from django.conf import settings"),
        ("kontract.urls", "from django.conf.urls import i18n\nfrom kontract import views"),
        ("kontract.embedded.cluster", "from kontract.embedded import watcher\nfrom kontract.exceptions import X"),
        ("kontract.mvcc.versions", 'X = "DELETE FROM storage"'),
        ("kontract.orm.query", 'X = "SELECT 1 FROM storage"'),
        ("kontract.client.base", "from kontract.raystream.keys import Pins"),
        ("kontract.rpc.codec", '"""Take a value from storage, and update trxs."""'),
    ],
)
def test_the_permitted_is_not_found(module: str, source: str) -> None:
    assert list(violations(module, source)) == []


def test_relative_imports_of_a_package_start_at_itself() -> None:
    assert list(imported(ast.parse("from . import clock\nfrom ..tables import x"), "kontract.mvcc", package=True)) == [
        "kontract.mvcc.clock",
        "kontract.tables.x",
    ]


def test_import_works_before_setup_and_loads_no_model() -> None:
    program = (
        "import sys, kontract, kontract.embedded\n"
        "from django.apps import apps\n"
        "assert not apps.ready\n"
        "print(*(m for m in sys.modules if m.startswith('kontract') and 'model' in m))"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "\n", "")


def test_every_check_has_an_id_of_its_own_and_is_documented() -> None:
    """An id belongs to one module, because people silence it and look for it."""
    owners: dict[str, set[str]] = {}
    for name, path in modules():
        for check_id in re.findall(r'"(kontract\.[EW]\d{3})"', path.read_text()):
            owners.setdefault(check_id, set()).add(name)
    assert {check_id: names for check_id, names in owners.items() if len(names) > 1} == {}
    documented = re.findall(
        r"^\| `(kontract\.[EW]\d{3})`", (PACKAGE.parent / "docs/checks.md").read_text(), re.MULTILINE
    )
    assert documented == sorted(owners)
