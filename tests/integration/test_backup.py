"""The commands of the page about backups: what they dump can be restored, and goes on from there."""

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from django.db import connections
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from kontract import env
from tests.docs import blocks
from tests.manual.commands import find_of_postgres

pytestmark = pytest.mark.more_privilege


def url_of(name: str) -> str:
    """Return how programs of PostgreSQL reach a database on the tests' server."""
    settings = connections["default"].settings_dict
    keys = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    return make_conninfo(dbname=name, **{key: settings[upper] for key, upper in keys.items() if settings[upper]})


@pytest.fixture
def other() -> Iterator[str]:
    """Make an empty database."""
    name = Identifier(database := f"restored_{uuid4().hex}")
    with psycopg.connect(url_of(connections["default"].settings_dict["NAME"]), autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(name))
        yield url_of(database)
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def test_a_dump_is_a_backup_of_everything(declared: None, other: str, tmp_path: Path) -> None:
    env.storage.users.set("user-1", {"name": "Ada"})
    txid = env.storage.users.set("user-1", {"name": "Bob"}).txid
    here = url_of(connections["default"].settings_dict["NAME"])
    for block in blocks("docs/backup.md", "console"):
        for line in block.text.splitlines():
            if line.startswith("pg_"):
                program, *words = shlex.split(line)
                values = {"$DATABASE_URL": here, "--dbname=$OTHER_URL": f"--dbname={other}"}
                command = [find_of_postgres(program), *(values.get(word, word) for word in words)]
                subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    question = "SELECT count(*), sum(length(data::text)), max(_txid) FROM storage WHERE _txid <= %s"
    with psycopg.connect(here) as source, psycopg.connect(other) as copy:
        assert copy.execute(question, [txid]).fetchone() == source.execute(question, [txid]).fetchone()
        drawn = "INSERT INTO trxs (ns, status) VALUES (0, 1) RETURNING txid > %s"
        assert copy.execute(drawn, [txid]).fetchone() == (True,)
        copy.rollback()
