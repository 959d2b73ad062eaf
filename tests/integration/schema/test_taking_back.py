"""``kontract_migrate down``: files and automatic changes, in the order in which they were done."""

from typing import Any

import pytest
from django.core.management import CommandError

from kontract import env, perms
from tests.integration.schema.releases import Files
from tests.integration.schema.test_command import declare, number, run

__all__ = ["declare"]  # a fixture

MARK = """
from kontract import env
def mark(): env.storage.users.set("mark", {"n": 1})
def unmark(): env.storage.users.delete("mark")
"""


def test_a_file_of_nothing_but_code_is_taken_back_in_its_turn(declare: Any, files: Files) -> None:
    declare(perm=perms.R__)
    run()
    name = files.add("RunPython(forwards=mark, backwards=unmark)", MARK)
    assert f"Applied {name}" in run("up")
    declare(perm=perms.RW_)
    run()
    assert "set the permissions" in run("down")
    assert env.storage.users.get("mark") == {"n": 1}
    assert f"Took {name} back" in run("down")
    assert env.storage.users.get("mark") is None
    assert number() == 4
    assert "set the permissions" in run("down")
    assert "nothing to take back" in run("down")


def test_a_faked_file_is_taken_back_without_running(declare: Any, files: Files) -> None:
    name = files.add("RunPython(forwards=mark, backwards=unmark)", MARK)
    run("--fake")
    assert env.storage.users.get("mark") is None
    env.storage.users.set("mark", {"n": 7})
    run("down")
    assert env.storage.users.get("mark") == {"n": 7}
    with pytest.raises(CommandError, match=f"lacks the migration files {name}"):
        run("--check")
