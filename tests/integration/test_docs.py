"""Run the code blocks of the guides, in their order, against the database."""

import doctest
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import connection

import kontract
from kontract.conf import parse
from kontract.rpc.registry import Registry
from tests import library
from tests.docs import Block, blocks, is_of
from tests.library import models

MODELS = "library/models.py"

pytestmark = [pytest.mark.usefixtures("declared"), pytest.mark.more_privilege]  # the guide has an ordinary model, too


@pytest.fixture
def _library(monkeypatch: pytest.MonkeyPatch, declared: None) -> Iterator[None]:
    """Let the guides import their app as if it were a project's own, and give its ordinary models tables."""
    monkeypatch.setitem(sys.modules, "library", library)
    monkeypatch.setitem(sys.modules, "library.models", models)
    ordinary = [model for model in apps.get_app_config("library").get_models() if model._meta.managed]
    with connection.schema_editor() as editor:
        for model in ordinary:
            editor.create_model(model)
    yield
    with connection.schema_editor() as editor:
        for model in ordinary:
            editor.delete_model(model)


@pytest.mark.usefixtures("_library")
def test_the_guide_to_models_runs() -> None:
    run("docs/orm.md", list(blocks("docs/orm.md", "python", "pycon")))


# What a guide speaks of and does not make: its project's own, and what is imported everywhere.
AROUND = """
import kontract
from datetime import timedelta
from django.db.models import Q
from django.utils import timezone
from kontract import backend, env, perms
"""
BEFORE = {
    "docs/backup.md": "",
    "docs/calls.md": "class Photo: objects = None",
    "docs/storage.md": "env.storage.wallets.set('a', {'balance': 30}); env.storage.users.set('user-1', {})",
}


@pytest.mark.parametrize("page", BEFORE)
def test_the_guides_run(page: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.KONTRACT = {"TABLES": {"users": {}, "wallets": {}}}
    monkeypatch.setattr("kontract.rpc.registry.registry", Registry())
    names: dict[str, Any] = {}
    exec(AROUND + BEFORE[page], names)  # noqa: S102 - our own documentation
    found = [block for block in blocks(page, "python") if not is_of(block, "urls.py")]
    run(page, [block._replace(text=block.text.replace('"acme"', repr(uuid4().hex))) for block in found], names)


@pytest.mark.usefixtures("_library")
def test_the_readme_runs(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    example, past, configured, tour = blocks("README.md", "python")
    settings.KONTRACT = {"TABLES": {"users": {}}}
    monkeypatch.setattr("kontract.rpc.registry.registry", Registry())
    article: Any = models.Article  # type: ignore[attr-defined]  # which executes what the README declares
    before, declared, after = re.split(r"^(class Article.*?)(?=^class SoldOut)", example.text, flags=re.M | re.S)
    shop: dict[str, Any] = {"Article": article}
    run("README.md", [example._replace(text=before + "\n" * declared.count("\n") + after)], shop)
    article.objects.create(name="bolt", stock=7)
    assert shop["buy"]("bolt", 2).stock == 5
    with pytest.raises(shop["SoldOut"]):
        shop["buy"]("bolt", 6)
    txid = article.objects.get(name="bolt").history[0].txid
    kontract.undo(txid)
    assert article.objects.get(name="bolt").stock == 7
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    monkeypatch.setitem(sys.modules, "shop.models", models)
    run("README.md", [past._replace(text=past.text.replace("4710", str(txid))), tour])
    names: dict[str, Any] = {}
    run("README.md", [configured], names)
    assert "users" in parse(names["KONTRACT"]).TABLES


def run(page: str, found: list[Block], names: dict[str, Any] | None = None) -> None:
    """Run blocks, with the same names; what their sessions show must be what comes out."""
    names = {} if names is None else names
    said: list[str] = []
    for block in found:
        if block.language == "pycon":
            test = doctest.DocTestParser().get_doctest(block.text, names, page, page, block.line)
            test.globs = names
            doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append, clear_globs=False)
        elif not is_of(block, MODELS):
            exec(compile("\n" * block.line + block.text, page, "exec"), names)  # noqa: S102 - our own documentation
    assert not said, "".join(said)
