"""Follow the guides in a project of their own, block after block; see tests/manual/project.py."""

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from uuid import uuid4

import psycopg
import pytest
from django.db import connections
from psycopg.sql import SQL, Identifier

from tests.docs import blocks
from tests.integration.test_backup import url_of
from tests.manual.guides import GUIDES, Guide
from tests.manual.project import BASE, Project

pytestmark = pytest.mark.more_privilege


@pytest.fixture
def project(database: None, tmp_path: Path) -> Iterator[Project]:
    """A project with a new database."""
    settings = connections["default"].settings_dict
    name = Identifier(made := f"guide_{uuid4().hex}")
    keys = ("HOST", "PORT", "USER", "PASSWORD")
    place = {"ENGINE": settings["ENGINE"], "NAME": made, **{key: settings[key] for key in keys}}
    with psycopg.connect(url_of(settings["NAME"]), autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(name))
        try:
            yield Project(tmp_path, place, url_of(made))
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.mark.parametrize("page", GUIDES)
def test_a_guide_can_be_followed(page: str, project: Project) -> None:
    guide: Guide = GUIDES[page]
    for name, content in {**BASE, **guide.files}.items():
        project.write(name, dedent(content).lstrip())
    for setting in guide.settings:
        project.write("settings.py", setting + "\n")
    for command in guide.before:
        project.type(command)
    project.do(guide.around)
    for block in blocks(page, *guide.languages):
        if (text := guide.rewrite(block)) is not None:
            for piece in guide.find(guide.first, block):
                project.do(piece)
            project.follow(block._replace(text=text))
            for piece in guide.find(guide.then, block):
                project.do(piece)
    project.finish()
