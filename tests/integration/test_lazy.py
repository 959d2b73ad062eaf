"""Starting with a manifest of routes: real processes, in which nothing of a backend.py is imported too early."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest
from django.db import connections

pytestmark = pytest.mark.any_role

FILES = {
    "settings.py": """
        import json, os
        from pathlib import Path
        SECRET_KEY = "of nothing"
        USE_TZ = True
        INSTALLED_APPS = ["kontract", "shop", "library"]
        ROOT_URLCONF = "urls"
        DATABASES = {"default": json.loads(os.environ["DATABASE"])}
        KONTRACT = {"TABLES": ["notes"]}
        if "ROUTES" in os.environ:
            KONTRACT["ROUTES"] = Path(__file__).parent / os.environ["ROUTES"]
        """,
    "urls.py": """
        from django.urls import include, path
        urlpatterns = [path("kontract/", include("kontract.urls"))]
        """,
    "shop/__init__.py": "runs = []",
    "shop/backend.py": """
        from kontract import backend, perms
        from shop import prices

        @backend(perm=perms.R__, egroup="api-v1", ugroup=["b", "a"])
        def list_articles() -> list[str]:
            return ["bolt"]

        @backend
        async def later() -> str:
            return "later"

        @backend
        def wrong(value: "Nowhere") -> None: ...
        """,
    "shop/prices.py": """
        import threading
        import time
        import shop
        shop.runs.append(threading.current_thread().name)
        time.sleep(0.05)
        from kontract import backend

        @backend
        def price(article: str) -> int:
            return len(article)
        """,
    "library/__init__.py": "",
    "library/backend.py": """
        from kontract import backend

        @backend
        def borrow(book: str) -> str:
            return f"{book} until Friday"
        """,
}
MODULES = ["library.backend", "shop.backend", "shop.prices"]
PREAMBLE = """
import sys, json
from pathlib import Path
import django
django.setup()
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.test import Client
from kontract.exceptions import ConfigurationError
from kontract.rpc.registry import registry
from kontract.rpc.routes import render_routes

def imported():
    return sorted(m for m in sys.modules if m.split(".")[0] in ("shop", "library") and "." in m)

def call(name, *args):
    body = json.dumps({"args": args})
    response = Client().post(f"/kontract/rpc/{name}", body, content_type="application/json")
    return response.status_code, json.loads(response.content)

def main():
"""


@dataclass(frozen=True, slots=True)
class Project:
    """A project in a folder of its own."""

    folder: Path

    def run(self, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the body of a function in a process that has called ``django.setup()``; its value is printed as JSON."""
        code = PREAMBLE + indent(dedent(program), "    ") + "\nprint(json.dumps(main()))"
        database = {key: value for key, value in connections["default"].settings_dict.items() if key != "TEST"}
        environment = {"DJANGO_SETTINGS_MODULE": "settings", "DATABASE": json.dumps(database), **environment}
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=self.folder, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    def ask(self, program: str, **environment: str) -> Any:
        """See run(); return the value."""
        done = self.run(program, **environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def write(self, name: str, text: str) -> None:
        """Write one of the project's files."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(text).lstrip())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project without a manifest."""
    made = Project(tmp_path)
    for name, text in FILES.items():
        made.write(name, text)
    return made


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The manifest of the project, written once."""
    made = Project(tmp_path_factory.mktemp("project"))
    for name, text in FILES.items():
        made.write(name, text)
    first, second = (made.ask("return [imported(), render_routes()]", PYTHONHASHSEED=seed) for seed in "12")
    assert first == second == [MODULES, first[1]]
    return str(first[1])


@pytest.fixture
def lazy(project: Project, manifest: str) -> Project:
    """A project with a manifest."""
    project.write("routes.json", manifest)
    return project


def test_the_manifest_tells_what_is_known_without_an_import(manifest: str) -> None:
    procedures = json.loads(manifest)["procedures"]
    assert list(procedures) == ["borrow", "later", "list_articles", "price", "wrong"]
    assert procedures["list_articles"] == {
        "module": "shop.backend",
        "function": "shop.backend.list_articles",
        "is_async": False,
        "is_stream": False,
        "egroup": "api-v1",
        "perm": "R__",
        "ugroups": ["a", "b"],
        "etag": True,
        "raystream": None,
    }
    assert (procedures["price"]["module"], procedures["later"]["is_async"]) == ("shop.prices", True)


def test_a_module_is_imported_at_the_first_call_of_its_procedures(lazy: Project) -> None:
    before, unknown, borrow, after, later, end = lazy.ask(
        """
        call_command("check", stdout=sys.stderr)
        assert registry.is_async("later") and len(registry.routes()) == 5
        before = imported()
        return before, call("nothing"), call("borrow", "Emma"), imported(), call("later"), imported()
        """,
        ROUTES="routes.json",
    )
    assert before == []
    assert (unknown[0], unknown[1]["code"]) == (404, "procedure_not_found")
    assert borrow == [200, {"result": "Emma until Friday"}]
    assert after == ["library.backend"]
    assert later == [200, {"result": "later"}]
    assert end == MODULES


def test_without_a_manifest_everything_is_imported_and_checked_at_the_start(project: Project) -> None:
    assert project.ask("return imported()") == MODULES
    failed = project.run("call_command('check')")
    assert "kontract.E004" in failed.stderr  # the annotation of wrong()
    project.write("shop/prices.py", "import nowhere")
    assert "No module named 'nowhere'" in project.run("return imported()").stderr


def test_threads_that_call_at_once_import_once(lazy: Project) -> None:
    found = lazy.ask(
        """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(registry.get, ["price", "later"] * 8))
        import shop
        return [sorted({each.name for each in found}), len(set(map(id, found))), len(shop.runs)]
        """,
        ROUTES="routes.json",
    )
    assert found == [["later", "price"], 2, 1]


def test_the_event_loop_goes_on_while_a_module_is_imported(lazy: Project) -> None:
    status, importer = lazy.ask(
        """
        import asyncio, shop
        from django.test import AsyncClient
        response = asyncio.run(AsyncClient().post("/kontract/rpc/later", "{}", content_type="application/json"))
        return response.status_code, shop.runs
        """,
        ROUTES="routes.json",
    )
    assert status == 200
    assert importer not in ([], ["MainThread"])


def test_a_broken_module_is_a_problem_of_its_own_procedures(lazy: Project) -> None:
    lazy.write("shop/prices.py", "raise OSError('the disk is full')")
    lazy.write("shop/repaired.txt", FILES["shop/prices.py"])
    done = lazy.run(
        """
        answers = [call("price", "bolt"), call("later"), call("borrow", "Emma"), call("price", "bolt")]
        Path("shop/repaired.txt").rename("shop/prices.py")
        return [*answers, call("price", "bolt"), call("later")]
        """,
        ROUTES="routes.json",
    )
    assert done.returncode == 0, done.stderr
    *broken, price, later = json.loads(done.stdout)
    assert [(status, answer.get("code")) for status, answer in broken] == [
        (500, "configuration_error"),
        (500, "configuration_error"),
        (200, None),
        (500, "configuration_error"),
    ]
    assert "disk" not in done.stdout
    assert "'price' cannot be called, because its module shop.prices cannot be imported: OSError: the d" in done.stderr
    assert (price, later) == ([200, {"result": 4}], [200, {"result": "later"}])


def test_a_manifest_that_is_missing_is_found_by_the_check_and_can_be_written(project: Project) -> None:
    answer, message, modules, borrowed = project.ask(
        """
        answer = call("borrow", "Emma")
        try:
            call_command("check", stdout=sys.stderr)
        except SystemCheckError as error:
            message = str(error)
        modules = imported()
        call_command("kontract_compile", routes=Path("absent.json"), stdout=sys.stderr)
        return answer, message, modules, call("borrow", "Emma")
        """,
        ROUTES="absent.json",
    )
    assert (answer[0], answer[1]["code"], modules) == (500, "configuration_error", [])
    assert "(kontract.E020)" in message
    assert "cannot be read: No such file or directory. Write it with: manage.py kontract_compile --routes" in message
    assert borrowed == [200, {"result": "Emma until Friday"}]
    assert project.ask("return imported(), len(registry)", ROUTES="absent.json") == [[], 5]


def test_a_manifest_that_is_out_of_date_hides_nothing_silently(lazy: Project) -> None:
    lazy.write(
        "library/backend.py",
        """
        from kontract import backend, perms

        @backend(perm=perms.R__)
        def borrow(book: str) -> str:
            return book

        @backend
        def new() -> None: ...
        """,
    )
    done = lazy.run(
        """
        borrow, new = call("borrow", "Emma"), call("new")
        try:
            call_command("kontract_compile", routes=Path("routes.json"), check=True, stdout=sys.stderr)
        except CommandError as error:
            return borrow, new, str(error)
        """,
        ROUTES="routes.json",
    )
    borrow, new, difference = json.loads(done.stdout)
    assert difference.startswith("Generated files are not up to date")
    assert '+  "new": {"module": "library.backend"' in done.stderr
    assert (borrow[1]["code"], new[1]["code"]) == ("configuration_error", "procedure_not_found")
    assert "perm was 'RWX' and is 'R__'. Write the manifest of routes anew" in done.stderr
    assert "Clients cannot call library.backend.new" in done.stderr
