"""Without Django's users everything works on the two tables; the test is a project of its own, in a process of its own.

So is one that has not installed ``kontract.auth`` at all.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from kontract.context import get_namespace

PROGRAM = """
import json, sys
import django
from django.conf import settings
given = json.loads(sys.stdin.read())
MAIL = "django.core.mail.backends.locmem.EmailBackend"
settings.configure(
    SECRET_KEY="x" * 50, USE_TZ=True, ALLOWED_HOSTS=["*"], ROOT_URLCONF="tests.urls",
    INSTALLED_APPS=given["apps"], MIDDLEWARE=given["middleware"], DATABASES={"default": given["database"]},
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    **({"MAILERS": {"default": {"BACKEND": MAIL}}} if django.VERSION >= (6, 1) else {"EMAIL_BACKEND": MAIL}),
    KONTRACT={"AUTH": {"email_links": {"reset": "https://app.example/?t={token}"}}} if given["middleware"] else {},
)
django.setup()
from django.apps import apps
from django.core.management import call_command
from django.db import connection
import kontract
call_command("check", fail_level="WARNING")
assert not apps.is_installed("django.contrib.auth")
print(json.dumps(sorted(m._meta.label for m in apps.get_models())))
if "kontract.auth" not in given["apps"]:
    from django.test import Client
    assert Client().post("/kontract/rpc/auth_anonymous", {}, content_type="application/json").status_code == 404
    sys.exit()
from django.core import mail
from kontract.auth import emails
from tests.integration.auth.people import PASSWORD, Person
with kontract.namespace(given["namespace"]):
    eve, ada = Person().begin(), Person().register("ada@example.com")
    before = eve.id
    assert eve.link("eve@example.com").id == before
    assert eve.login("eve@example.com").id == before
    eve.refresh()
    assert eve.call("auth_me")["email"] == "eve@example.com"
    visitor = Person().begin()
    ada.call("auth_merge", source_token=visitor.access, commit=True)
    visitor.keep(ada.call("auth_unmerge", principal=visitor.id))
    assert visitor.call("auth_me")["is_anonymous"] is True
    eve.keep(eve.call("auth_password", old_password=PASSWORD, new_password="difference engine"))
    assert [session["is_current"] for session in eve.call("auth_sessions")] == [True]
    place = ["--namespace", given["namespace"]]
    call_command("kontract_users", *place, "groups", "eve@example.com", "staff", stdout=sys.stderr)
    assert eve.refresh().call("auth_me")["ugroups"] == ["staff"]
    Person().call("auth_request_reset", email="eve@example.com")
    emails.get_sender()._pool.submit(int).result()
    token = mail.outbox[0].body.split("?t=")[1].split()[0]
    Person().call("auth_reset", token=token, new_password="analytical machine")
    assert eve.post("auth_me").status_code == 401
    eve = eve.login("eve@example.com", "analytical machine")
    assert eve.call("auth_me")["is_verified"] is True
    eve.call("auth_logout", which="all")
    assert eve.post("auth_me").status_code == 401
with connection.cursor() as cursor:
    cursor.execute("SELECT count(*) FROM pg_stat_user_tables WHERE relname NOT IN ('storage', 'trxs') "
                   "AND relname LIKE 'kontract%'")
    assert cursor.fetchone() == (0,)
"""


def run(apps: list[str], middleware: list[str]) -> Any:
    database = connections["default"].settings_dict
    sent = {
        "apps": apps,
        "middleware": middleware,
        "database": {key: database[key] for key in ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")},
        "namespace": get_namespace(),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        input=json.dumps(sent, default=str),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_everything_works_without_djangos_users() -> None:
    models = run(["kontract", "kontract.auth"], ["kontract.middleware.AuthMiddleware"])
    assert "kontract_auth.Principal" in models


@pytest.mark.parametrize("apps", [["kontract"]])
def test_without_the_app_there_is_nothing_of_it(apps: list[str]) -> None:
    assert run(apps, []) == ["kontract.Storage", "kontract.Trx"]
