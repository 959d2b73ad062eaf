"""Run the code blocks of the guides, in their order, against the database."""

import doctest
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

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


@pytest.mark.usefixtures("_library")
def test_the_model_of_the_readme_runs() -> None:
    found = list(blocks("README.md", "python", "pycon"))
    (position,) = (n for n, block in enumerate(found) if is_of(block, MODELS))
    guide = "".join(block.text for block in blocks("docs/orm.md", "python") if is_of(block, MODELS))
    assert found[position].text[found[position].text.index("class ") :].rstrip() in guide
    made: Any = models  # which executes what the guide declares
    jane = made.Author.objects.create(name="Jane Austen", email="jane@example.org")
    book = made.Book.objects.create(title="Emma", author=jane, price=8)
    run("README.md", found[position : position + 2])
    book.refresh_from_db()
    assert book.price == 7


def run(page: str, found: list[Block]) -> None:
    """Run blocks, with the same names; what their sessions show must be what comes out."""
    names: dict[str, Any] = {}
    said: list[str] = []
    for block in found:
        if block.language == "pycon":
            test = doctest.DocTestParser().get_doctest(block.text, names, page, page, block.line)
            test.globs = names
            doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append, clear_globs=False)
        elif not is_of(block, MODELS):
            exec(compile("\n" * block.line + block.text, page, "exec"), names)  # noqa: S102 - our own documentation
    assert not said, "".join(said)
