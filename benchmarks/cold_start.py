"""``python -m benchmarks.cold_start``: how long a project with many procedures takes to start.

A project is made with 500 procedures in as many modules, some of which import or build what takes its time.  Processes
that start it take turns: with no procedure at all, with all of them and a manifest of routes, and with all of them
imported.  A start is a whole process, from its spawn to its end: it sets Django up, loads the WSGI application and the
URLs, and resolves the URL of a call.  Bytecode is compiled beforehand, as in an image that is deployed.
"""

import argparse
import compileall
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import Effort, Times, compare, ratio

PROCEDURES = 500
LIMIT = 1.1  # of a start with none, for one with a manifest
NONE, LAZY, FIRST, EAGER = "none", "lazy", "lazy and a first call", "eager"

SETTINGS = """
import os
from pathlib import Path
SECRET_KEY = "no secret at all: this key guards nothing but a benchmark"
USE_TZ = True
INSTALLED_APPS = ["kontract"] + ([] if os.environ["START"] == "none" else ["shop"])
ROOT_URLCONF = "urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "never connected"}}
KONTRACT = {"ROUTES": Path(__file__).parent / "routes.json"} if os.environ["START"].startswith("lazy") else {}
"""
URLS = """
from django.urls import include, path
urlpatterns = [path("kontract/", include("kontract.urls"))]
"""
START = """
import json, os, resource, sys, time
from django.core.wsgi import get_wsgi_application
get_wsgi_application()
from django.urls import resolve
from kontract.rpc.registry import registry
resolve("/kontract/rpc/procedure_0")
if os.environ["START"] == "lazy and a first call":
    registry.get("procedure_0")
imported = sum(name.startswith("shop.part") for name in sys.modules)
print(json.dumps([imported, len(registry), time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""
WRITE = """
import django
django.setup()
from pathlib import Path
from kontract.rpc.routes import render_routes
Path("routes.json").write_text(render_routes())
"""

# What modules do besides defining a procedure, in turns: most of them little, some of them much.
BURDENS = (
    "from dataclasses import dataclass\n\n@dataclass\nclass Line:\n    article: str\n    count: int\n",
    "import email.message, email.policy, html.parser, http.cookies, xml.dom.minidom, xml.etree.ElementTree\n",
    "import re\n\nWORDS = [re.compile(rf'\\b{word}{{number}}[a-z]+\\b') for word in ('ab', 'cd', 'ef')]\n",
    "from decimal import Decimal, localcontext\n\nwith localcontext() as exact:\n    exact.prec = 60\n"
    "    TABLE = [(Decimal(n) / 7 + {number}).sqrt() for n in range(200)]\n",
    "from pydantic import BaseModel\n\nclass Address(BaseModel):\n    street: str\n    zip: str | None = None\n\n"
    "class Order(BaseModel):\n    number: int\n    addresses: list[Address]\n    notes: dict[str, str] = {}\n",
    "from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519\n"
    "from cryptography.x509 import load_pem_x509_certificate\n",
    "from enum import Enum\n\nclass Colour(Enum):\n    RED = 'red'\n    BLUE = 'blue'\n",
    "import asyncio, concurrent.futures, csv, sqlite3, statistics, zipfile\n",
    "",
    "",
)
PROCEDURE = """from kontract import backend, env, perms
{burden}

@backend(perm=perms.RW_, egroup="api-{group}")
def procedure_{number}(name: str, count: int = 1) -> str:
    \"\"\"Do a little.\"\"\"
    return name * count
"""


class Starts:
    """Starts of the project in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.processor: Times = {}
        self.memory: Times = {}

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        """Return the start of a process."""
        return functools.partial(run, self._folder, START, name)

    def verify(self, name: str, step: int, result: str) -> None:
        """Check what the process has imported.  Raises ``SystemExit``."""
        imported, known, seconds, kilobytes = json.loads(result)
        expected = {NONE: (0, 0), LAZY: (0, PROCEDURES), FIRST: (1, PROCEDURES), EAGER: (PROCEDURES, PROCEDURES)}
        if (imported, known) != expected[name]:
            sys.exit(f"A start ({name}) knew {known} procedures and imported {imported} of their modules.")
        self.processor.setdefault(name, []).append(seconds)
        self.memory.setdefault(name, []).append(kilobytes)


def run(folder: Path, program: str, start: str) -> str:
    """Run a program in a process of its own and return what it prints."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "settings", "START": start}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, stdout=subprocess.PIPE, check=True
    )
    return done.stdout.decode()


def make_project(folder: Path) -> None:
    """Write the project, its bytecode, and the manifest of its routes."""
    for name, text in list_files():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    run(folder, WRITE, EAGER)
    compileall.compile_dir(folder, quiet=2)


def list_files() -> Iterator[tuple[str, str]]:
    """Yield the project's files: name and text."""
    yield from (("settings.py", SETTINGS), ("urls.py", URLS), ("shop/__init__.py", ""))
    for number in range(PROCEDURES):
        burden = BURDENS[number % len(BURDENS)].replace("{number}", str(number))
        yield f"shop/part{number}.py", PROCEDURE.format(burden=burden, number=number, group=number % 5)
    yield "shop/backend.py", "".join(f"from shop import part{number}\n" for number in range(PROCEDURES))


def main() -> None:
    """Measure and print; a missed target is no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_start", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="starts of each kind (default: 15)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        make_project(Path(folder))
        starts = Starts(Path(folder))
        times = compare(starts, (NONE, LAZY, FIRST, EAGER), Effort(rounds=rounds, repeats=1, warm_up=1))
    print(f"Starts of a project with {PROCEDURES} procedures, as multiples of one with none; medians and quartiles.")
    for name in (LAZY, FIRST, EAGER):
        shares = (ratio(measured, name, NONE) for measured in (times, starts.processor, starts.memory))
        print("  {:22} time {}, processor {}, memory {}".format(name, *shares))
    verdict = "kept" if ratio(times, LAZY, NONE).median <= LIMIT else "MISSED"
    print(f"  target: {LAZY} at most {LIMIT} in time: {verdict}")


if __name__ == "__main__":
    main()
