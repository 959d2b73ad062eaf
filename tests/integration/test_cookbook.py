"""The cookbook as it is served and written: who sees it, under which policy, and what writing it imports."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.urls import include, path, reverse

from kontract.codegen.cookbook import serving
from kontract.rpc.registry import registry

pytestmark = pytest.mark.any_role

COOKIES = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
urlpatterns = [path("kontract/", include("kontract.urls")), path("admin/", admin.site.urls)]
INDEX, PAGE = "/kontract/docs/", "/kontract/docs/procedures/zoo_put.html"


@pytest.fixture
def public() -> Iterator[None]:
    with override_settings(KONTRACT={"DOCS": "public"}):
        yield


def parse_policy(response: Any) -> dict[str, str]:
    return dict(part.split(" ", 1) for part in response["Content-Security-Policy"].split("; "))


@pytest.mark.parametrize("address", [INDEX, PAGE, "/kontract/docs/search-index.js", "/kontract/docs/assets/main.js"])
def test_pages_load_nothing_but_what_is_here(public: None, address: str) -> None:
    response = Client().get(address)
    assert response.status_code == 200
    policy = parse_policy(response)
    assert policy["default-src"] == "'none'"
    assert set(policy.values()) <= {"'none'", "'self'", "'script'"}
    assert (policy["require-trusted-types-for"], policy["frame-ancestors"]) == ("'script'", "'none'")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert Client().post(address).status_code == 405


def test_every_page_is_there_and_names_only_files_that_are(public: None) -> None:
    client = Client()
    index = client.get(INDEX).content.decode()
    for name in (route.name for route in registry.routes()):
        assert f'href="procedures/{name}.html"' in index
        assert client.get(f"/kontract/docs/procedures/{name}.html").status_code == 200
    assert client.get("/kontract/docs/procedures/nothing.html").status_code == 404
    assert client.get("/kontract/docs/assets/nothing.js").status_code == 404
    assert client.get("/kontract/docs/assets/..%2f..%2fdocs%2fmain.js").status_code == 404


def test_assets_are_asked_for_again_and_sent_once(public: None) -> None:
    first = Client().get("/kontract/docs/assets/docs.css")
    assert first["Content-Type"] == "text/css; charset=utf-8"
    again = Client().get("/kontract/docs/assets/docs.css", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "Content-Security-Policy" in again


def sign_in(client: Client, *, is_staff: bool) -> None:
    user, _ = get_user_model().objects.get_or_create(
        username=f"reader-{is_staff}", defaults={"is_staff": is_staff, "is_superuser": False}
    )
    client.force_login(user)


@pytest.mark.more_privilege
@pytest.mark.parametrize("address", [INDEX, PAGE, "/kontract/docs/search-index.js", "/kontract/docs/assets/main.js"])
def test_staff_alone_is_shown_what_is_for_staff(database: None, address: str) -> None:
    with override_settings(KONTRACT={"DOCS": "staff"}, MIDDLEWARE=COOKIES):
        client = Client()
        assert client.get(address).status_code == 404  # there is no admin to sign in to
        sign_in(client, is_staff=False)
        assert client.get(address).status_code == 404
        sign_in(client, is_staff=True)
        assert client.get(address).status_code == 200


def test_who_is_not_signed_in_is_sent_to_the_admin(database: None) -> None:
    with override_settings(KONTRACT={"DOCS": "staff"}, MIDDLEWARE=COOKIES, ROOT_URLCONF=__name__):
        mount = reverse("kontract:docs")
        response = Client().get(f"{mount}?a=1")
        assert response.status_code == 302
        assert response["Location"] == f"{reverse('admin:login')}?next={mount.replace('/', '%2F')}%3Fa%3D1"


def test_without_sessions_nobody_is_staff() -> None:
    with override_settings(KONTRACT={"DOCS": "staff"}, MIDDLEWARE=[]):
        assert Client().get(INDEX).status_code == 404


def test_the_default_is_staff_unless_debugging() -> None:
    with override_settings(KONTRACT={}, DEBUG=False):
        assert serving.find_audience() == "staff"
    with override_settings(KONTRACT={}, DEBUG=True):
        assert serving.find_audience() == "public"
    with override_settings(KONTRACT={"DOCS": "off"}, DEBUG=True):
        assert Client().get(INDEX).status_code == 404


@pytest.mark.more_privilege
def test_whom_a_cookie_signs_in_gets_a_csrf_token(public: None, database: None) -> None:
    with override_settings(MIDDLEWARE=COOKIES):
        client = Client()
        assert b"csrf-token" not in client.get(PAGE).content
        sign_in(client, is_staff=False)
        response = client.get(PAGE)
        assert b'<meta name="csrf-token"' in response.content
        assert "csrftoken" in response.cookies
        assert response["Cache-Control"] == "private, no-cache"


# --- The command ---


def write(directory: Path, *options: str) -> str:
    out = StringIO()
    call_command("kontract_docs", "--output", directory / "md", "--html", directory / "html", *options, stdout=out)
    return out.getvalue()


def test_files_are_written_once_and_checked(tmp_path: Path) -> None:
    count = len(registry)
    assert f"{count + 3} of {count + 3} files written, 0 removed" in write(tmp_path)
    assert "0 of" in write(tmp_path)
    assert write(tmp_path, "--check") == ""
    assert (tmp_path / "md/.vitepress/config.mjs").exists()
    sidebar = json.loads((tmp_path / "md/.vitepress/sidebar.json").read_text())
    links = [item["link"] for group in sidebar for item in group["items"]]
    assert all((tmp_path / f"md{link}.md").exists() for link in links)


def test_what_is_gone_is_removed_and_what_is_not_ours_is_kept(tmp_path: Path) -> None:
    write(tmp_path)
    page = tmp_path / "md/procedures/zoo_put.md"
    page.rename(page.with_stem("zoo_gone"))
    (tmp_path / "html/procedures/zoo_gone.html").write_text((tmp_path / "html/procedures/zoo_put.html").read_text())
    (tmp_path / "md/procedures/own.md").write_text("# Mine\n")
    config = tmp_path / "md/.vitepress/config.mjs"
    config.write_text("// mine")
    out = StringIO()
    with pytest.raises(CommandError, match="not up to date"):
        call_command("kontract_docs", "--output", tmp_path / "md", "--check", stdout=out)
    assert "zoo_put.md does not exist" in out.getvalue()
    assert "zoo_gone.md is of a procedure that is gone" in out.getvalue()
    assert "1 removed" in write(tmp_path)
    assert not list(tmp_path.glob("*/procedures/zoo_gone.*"))
    assert (tmp_path / "md/procedures/own.md").exists()
    assert config.read_text() == "// mine"


def test_the_command_wants_to_know_where_to() -> None:
    with pytest.raises(CommandError, match="--output DIR"):
        call_command("kontract_docs")


FILES = {
    "settings.py": """
        from pathlib import Path
        SECRET_KEY = "of nothing"
        INSTALLED_APPS = ["kontract", "shop"]
        DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql"}}
        KONTRACT = {"ROUTES": Path(__file__).parent / "routes.json"}
        """,
    "shop/__init__.py": "",
    "shop/errors.py": """
        from dataclasses import dataclass
        from kontract import CallError

        @dataclass(eq=False)
        class SoldOut(CallError):
            '''There is none left.'''
            code = "sold_out"
            http_status = 409
        """,
    "shop/backend.py": """
        from kontract import backend, perms
        from shop.errors import SoldOut

        #: Told in a *comment*.
        @backend(egroup="shop", perm=perms.RW_, ugroup="buyers", errors=[SoldOut])
        def buy(article: str, count: int = 1) -> dict[str, int]:
            return {article: count}
        """,
}
PROGRAM = """
import sys, django
django.setup()
from django.core.management import call_command
call_command(*{arguments!r})
print(sorted(name for name in sys.modules if name.startswith("shop")))
"""


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(arguments=arguments)],
        cwd=folder,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "settings"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_project(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(dedent(text).lstrip())


def test_with_a_manifest_of_routes_no_module_is_imported(tmp_path: Path) -> None:
    make_project(tmp_path, FILES)
    run(tmp_path, "kontract_compile", "--routes", "routes.json")
    out = run(tmp_path, "kontract_docs", "--output", "md", "--html", "html")
    assert out.splitlines()[-1] == "['shop']"
    page = (tmp_path / "md/procedures/buy.md").read_text()
    for text in (
        "Told in a *comment*.",
        "`buyers`",
        "| `count` | `integer` | `1` |",
        "sold_out",
        "There is none left.",
    ):
        assert text in page
    imported = tmp_path / "settings.py"
    imported.write_text(imported.read_text().replace('KONTRACT = {"ROUTES"', 'OTHER = {"ROUTES"'))
    run(tmp_path, "kontract_docs", "--output", "md", "--html", "html", "--check")


PROCEDURE = """
    #: More of number {n}, as `code`.
    @backend(egroup="group{group}", perm=perms.R__)
    def procedure_{n}(
        name: Annotated[str, Field(min_length=1)], lines: list[Line{group}], limit: int = {n}
    ) -> Answer{group}:
        '''Answer number {n}.

        With a **second** paragraph.
        '''
        raise NotImplementedError
    """
TYPES = """
    class Line{group}(TypedDict):
        article: str
        count: int

    class Answer{group}(TypedDict):
        lines: list[Line{group}]
        total: float
    """
HEAD = """
    from typing import Annotated
    from pydantic import Field
    from typing_extensions import TypedDict
    from kontract import backend, perms
    """


def measure(folder: Path, *arguments: str) -> float:
    """Return the processor time of a command in seconds."""
    begin = os.times()
    run(folder, *arguments)
    end = os.times()
    return end.children_user + end.children_system - begin.children_user - begin.children_system


def test_pages_of_five_hundred_procedures_cost_little_beside_starting(tmp_path: Path) -> None:
    """Compare processor time with what any command of the project costs, whatever else the machine does."""
    groups = [TYPES.format(group=n) for n in range(20)]
    procedures = [PROCEDURE.format(n=n, group=n % 20) for n in range(500)]
    text = "\n".join(dedent(part) for part in (HEAD, *groups, *procedures))
    settings = FILES["settings.py"].replace("KONTRACT = ", "OTHER = ")
    make_project(tmp_path, {"settings.py": settings, "shop/__init__.py": "", "shop/backend.py": text})
    started = measure(tmp_path, "diffsettings")
    assert measure(tmp_path, "kontract_docs", "--output", "md", "--html", "html") < 4 * started
    assert (
        len(list((tmp_path / "md/procedures").iterdir())) == len(list((tmp_path / "html/procedures").iterdir())) == 500
    )
