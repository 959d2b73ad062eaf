"""A project in a directory and a database of its own, in which the blocks of a page are done in their order.

A block of Python whose first line names a file is added to it, another one is run.  Commands are typed; those of
``manage.py`` one after the other in one process, until a file changes.  ``...`` in what a page shows is anything.
"""

import doctest
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

import httpx

from tests.acceptance.conftest import find_free_port, wait_for
from tests.docs import ROOT, Block
from tests.manual.commands import SERVERS, find_of_postgres

FILE: Final = re.compile(r"# ((?:\w+/)*(?:\w+)\.py)\n")
TYPED: Final = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
MANAGE: Final = re.compile(r"(?:python )?manage\.py ([^|<>$&]*)")
PLACES: Final = {
    "backend.py": "shop/backend.py",
    "models.py": "shop/models.py",
    "settings.py": "config/settings.py",
    "urls.py": "config/urls.py",
}
BASE: Final = {
    "config/__init__.py": "",
    "config/settings.py": """
        import json, os
        from pathlib import Path
        from kontract import perms

        BASE_DIR = Path(__file__).parent.parent
        SECRET_KEY = "a key of nothing but a test, which is long and varied enough for check --deploy: 0123456789"
        ROOT_URLCONF = "config.urls"
        WSGI_APPLICATION = "config.wsgi.application"
        ALLOWED_HOSTS = ["*"]
        USE_TZ = True
        DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
        INSTALLED_APPS = APPS = ["django.contrib.contenttypes", "django.contrib.auth", "kontract", "shop"]
        MIDDLEWARE = []
        DATABASES = {"default": {}}
        KONTRACT = {"TABLES": ["users"]}
        """,
    "config/urls.py": """
        from django.urls import include, path

        urlpatterns = [path("kontract/", include("kontract.urls"))]
        """,
    "config/wsgi.py": "from django.core.wsgi import get_wsgi_application\n\napplication = get_wsgi_application()\n",
    "config/asgi.py": "from django.core.asgi import get_asgi_application\n\napplication = get_asgi_application()\n",
    "config/tested.py": '''
        """What the page's settings leave open, and where the database is."""
        from config.settings import *
        from config import settings


        def fill(given, base):
            return [each for item in given for each in (base if item is ... else [item])]


        INSTALLED_APPS = list(dict.fromkeys(fill(settings.INSTALLED_APPS, APPS)))
        MIDDLEWARE = fill(settings.MIDDLEWARE, [])
        shown, place = settings.DATABASES["default"], json.loads(os.environ["PLACE"])
        DATABASES = {"default": {**shown, **place, "USER": shown.get("USER", place["USER"])}}
        ''',
    "shop/__init__.py": "",
    "shop/models.py": "",
    "manage.py": "import sys\nfrom django.core.management import execute_from_command_line\n"
    "execute_from_command_line(sys.argv)\n",
    "steps.py": '''
        """Do what standard input says, and say what was printed: commands of manage.py, and pieces of Python."""
        import io, json, re, sys
        from contextlib import redirect_stdout

        import django
        from django.core.management import execute_from_command_line

        django.setup()
        from django.test import Client

        tokens = []  # which calls have given


        def curl(*words):
            """Make a call, as curl would over HTTP."""
            url = next(word for word in words if "/kontract/" in word)
            after = dict(zip(words, words[1:]))
            headers = dict(word.split(": ", 1) for option, word in zip(words, words[1:]) if option == "-H")
            headers = {name: value.replace("eyJ...", "".join(tokens[-1:])) for name, value in headers.items()}
            body = after.get("--json") or after["-d"]
            kind = headers.pop("Content-Type", "application/json")
            answer = Client().post("/kontract/" + url.partition("/kontract/")[2], body, kind, headers=headers)
            assert answer.status_code < 300, answer.content
            tokens.extend(re.findall('"access_token": ?"([^"]*)"', answer.content.decode()))
            print(answer.content.decode())


        names, printed = {"__name__": "page"}, []
        for kind, what in json.load(sys.stdin):
            with redirect_stdout(io.StringIO()) as out:
                if kind == "run":
                    exec(what, names)
                elif kind == "curl":
                    curl(*what)
                else:
                    print(f"manage.py {' '.join(what)}", file=sys.stderr)
                    sys.argv = ["manage.py", *what]
                    execute_from_command_line(sys.argv)
            printed.append(out.getvalue())
        json.dump(printed, sys.stdout)
        ''',
}


class Project:
    """The project; ``place`` is the entry of ``DATABASES``, ``url`` is where programs of PostgreSQL find it."""

    def __init__(self, folder: Path, place: Mapping[str, Any], url: str) -> None:
        self.folder = folder
        self._steps: list[tuple[str, Any, str | None]] = []  # what is to be done yet, and what it is to print
        self.printed: list[str] = []
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("KONTRACT_", "PG", "DJANGO_", "PYTHON"))}
        programs = [str(Path(sys.executable).parent), str(Path(find_of_postgres("psql")).parent), kept["PATH"]]
        self.environment = kept | {
            "DJANGO_SETTINGS_MODULE": "config.tested",
            "PLACE": json.dumps(dict(place)),
            "DATABASE_URL": url,
            "PATH": ":".join(programs),
            "PYTHONPATH": f"{folder}:{ROOT}",
        }

    def follow(self, block: Block) -> None:
        """Do what a block says, or note it for the next process."""
        if block.language == "python" and (found := FILE.match(block.text)) is not None:
            self.write(found[1], block.text)
        elif block.language == "python":
            self.run(block.text)
        elif block.language == "sql":
            self.type("psql --set ON_ERROR_STOP=1 --quiet \"$DATABASE_URL\" <<'END'\n" + block.text + "END")
        else:
            for command, output in list_typed(block.text):
                self.type(command, output)

    def write(self, name: str, text: str) -> None:
        """Add to a file."""
        self.finish()
        file = self.folder / PLACES.get(name, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((file.read_text() if file.exists() else "") + text)

    def do(self, text: str) -> None:
        """Type a command, which begins with ``$``, or run a program."""
        if text.startswith("$ "):
            self.type(text.removeprefix("$ "))
        else:
            self.run(dedent(text))

    def run(self, text: str) -> None:
        """Run a piece of Python, which knows the names of those before it since a file was written."""
        self._steps.append(("run", text, None))

    def type(self, command: str, output: str | None = None) -> None:
        """Type a command; where there is an ``output``, it must be what comes."""
        if (found := MANAGE.fullmatch(command.partition("  #")[0].strip())) is not None:
            self._steps.append(("manage", split(found[1]), output))
            return
        if command.startswith("curl "):
            self._steps.append(("curl", split(command)[1:], output))
            return
        self.finish()
        if command.startswith(SERVERS):
            self._serve(command)
            return
        shell = 'manage.py() { python manage.py "$@"; }\n'
        self._compare(command, output, self._start(["bash", "-e", "-c", shell + command]))

    def finish(self) -> None:
        """Do what was noted."""
        steps, self._steps = self._steps, []
        if steps:
            given = json.dumps([(kind, what) for kind, what, _ in steps])
            printed = json.loads(self._start([sys.executable, "-W", "error", "steps.py"], given))
            for (_, what, output), text in zip(steps, printed, strict=True):
                self._compare(str(what), output, text)

    def _serve(self, command: str) -> None:
        """Start a server, and end it when it has answered."""
        port = find_free_port()
        option = f"--bind 127.0.0.1:{port}" if command.startswith("gunicorn") else f"--port {port}"
        output = self.folder / "served.txt"
        with (
            output.open("wb") as log,
            subprocess.Popen(
                shlex.split(f"{command} {option}"), cwd=self.folder, env=self.environment, stdout=log, stderr=log
            ) as process,
        ):
            try:
                wait_for(port, process, output)
                answer = httpx.post(f"http://127.0.0.1:{port}/kontract/rpc/nothing", json={}, timeout=30)
                assert answer.json()["code"] == "procedure_not_found"
            finally:
                process.terminate()

    def _start(self, command: list[str], given: str | None = None) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command[-1]} failed:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _compare(self, command: str, expected: str | None, found: str) -> None:
        self.printed.append(found)
        if expected:
            end = "" if found.endswith("\n") else "\n"
            expected = expected.replace('": ', '":').replace(', "', ',"') if expected.startswith("{") else expected
            is_like = doctest.OutputChecker().check_output(expected, found + end, doctest.ELLIPSIS)
            assert is_like, f"{command}\n--- the page shows\n{expected}\n--- but this came\n{found}"


def list_typed(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield the commands of a block, and what the page says that they print: after ``$``, or else every line."""
    if text.startswith("$ "):
        yield from TYPED.findall(text)
    else:
        yield from ((line, None) for line in text.splitlines())


def split(words: str) -> list[str]:
    """Return the words of a command without its comment."""
    return shlex.split(words, comments=True)
