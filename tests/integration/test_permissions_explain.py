"""``manage.py kontract_explain``, and permissions as clients meet them."""

import asyncio
import json
import threading
import uuid
from io import StringIO

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django.fixtures import Settings

import kontract
from kontract import env, perms, tables
from kontract.context import CallContext, calling
from kontract.exceptions import PermissionDeniedError

KONTRACT = {"TABLES": {"users": {"perm": perms.RW_, "fields": {"secret": perms._W_}, "owner_scoped": True}}}


def explain(*args: str) -> list[str]:
    written = StringIO()
    call_command("kontract_explain", *args, stdout=written)
    return written.getvalue().splitlines()


@pytest.fixture
def alice(database: None) -> User:
    """A user in a group."""
    made = User.objects.create(username=f"alice-{uuid.uuid4().hex}")
    made.groups.add(Group.objects.get_or_create(name="staff")[0])
    return made


def test_a_procedure(settings: Settings) -> None:
    assert explain("set_user") == [
        "procedure set_user (RWX)",
        "call: allowed (anybody may call)",
        "R: allowed (procedure RWX)",
        "W: allowed (procedure RWX)",
        "X: allowed (procedure RWX)",
    ]


def test_a_field_of_documents(settings: Settings) -> None:
    settings.KONTRACT = KONTRACT
    assert explain("set_user", "--table", "users", "--field", "secret")[2:] == [
        "R: refused by the field (procedure RWX, table RW_, field _W_)",
        "W: allowed (procedure RWX, table RW_, field _W_)",
        "X: refused by the table (procedure RWX, table RW_)",
        "A document is deleted as a whole: the field has no say in X.",
        "owner: the table is owner-scoped, and the caller is nobody: sees nothing, and has to sign in to write",
    ]


def test_a_field_of_a_model_by_its_name() -> None:
    for name in ("team", "team_id"):
        lines = explain("set_user", "--table", "accounts", "--field", name)
        assert lines[2] == "R: refused by the field (procedure RWX, table RWX, field _W_)"


@pytest.mark.more_privilege
def test_a_user(alice: User, settings: Settings) -> None:
    settings.KONTRACT = KONTRACT
    for name in (alice.username, str(alice.pk)):
        assert explain("set_user", "--as", name, "--table", "users")[-1].endswith(f"documents of '{alice.pk}' alone")
    with pytest.raises(CommandError, match="no user 'nobody at all'"):
        explain("set_user", "--as", "nobody at all")


def test_what_there_is_not(namespace: str) -> None:
    with pytest.raises(CommandError, match="no procedure 'nonsense'"):
        explain("nonsense")
    with pytest.raises(CommandError, match="no logical table 'nonsense'"):
        explain("set_user", "--table", "nonsense")
    with pytest.raises(CommandError, match="no namespace 'nowhere'"):
        explain("set_user", "--table", "nonsense", "--namespace", "nowhere")
    with pytest.raises(CommandError, match="give --table"):
        explain("set_user", "--field", "x")
    tables.create("found")
    assert explain("set_user", "--table", "found", "--namespace", namespace)[2:] == [
        f"{letter}: allowed (procedure RWX, table RWX)" for letter in "RWX"
    ]


def test_clients_learn_which_rule_refused(settings: Settings) -> None:
    settings.KONTRACT = {"TABLES": {"users": {"perm": perms.R__}}}
    body = json.dumps({"kwargs": {"user_id": "u", "name": "x"}})
    for name in ("set_user", "set_user_async"):
        response = Client().post(f"/kontract/rpc/{name}", body, content_type="application/json")
        assert (response.status_code, response.json()["code"]) == (403, "permission_denied")
        assert response.json()["detail"].startswith("A call may not write documents of the table 'users'")
    settings.KONTRACT = {"TABLES": {"users": {"owner_scoped": True}}}
    response = Client().post("/kontract/rpc/set_user", body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (401, "authentication_required")
    assert len(env.storage.users) == 0


def test_tasks_and_their_threads_are_part_of_the_call_and_bare_threads_are_not(settings: Settings) -> None:
    settings.KONTRACT = {"TABLES": {"users": {"perm": perms.R__}}}
    seen: list[bool] = []

    def look() -> None:
        seen.append(kontract.ctx.route is not None)

    async def run() -> None:
        with pytest.raises(PermissionDeniedError):
            await env.storage.users.aset("a", {})
        with pytest.raises(PermissionDeniedError):
            await asyncio.create_task(env.storage.users.aset("a", {}))
        await asyncio.to_thread(look)
        await sync_to_async(look)()

    with calling(CallContext(route="test")):
        async_to_sync(run)()
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen[:2] == [True, True]
    assert seen[2] == bool(getattr(__import__("sys").flags, "thread_inherit_context", False))
