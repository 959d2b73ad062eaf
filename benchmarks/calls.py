"""``python -m benchmarks.calls``: what a call costs beside a bare Django view, and Django's frameworks for APIs.

Each endpoint takes an order of two lines as JSON, adds it up, and answers with the sums.  All but the bare view
validate what they are sent, and what they answer.  One process sends each of them the same request in turns through
Django's whole handler: middleware, URL, view, response.  No endpoint uses the database, and there is none to use.
"""

import argparse
import asyncio
import functools
import importlib.util
import json
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from benchmarks.endpoints.work import ANSWER, SENT
from benchmarks.measure import Effort, Ratio, Times, compare, ratio

LIMIT = 1.4  # of a bare view, for a call
PEERS = {"ninja": "django-ninja", "rest_framework": "djangorestframework", "dmr": "django-modern-rest"}
BARE, OURS = "bare view", "kontract"
BARE_ASYNC, OURS_ASYNC = "bare async view", "kontract, async"

PATHS = {
    BARE: "/bare/orders",
    OURS: "/kontract/rpc/place_order",
    "django-modern-rest": "/modern/orders",
    "django-ninja": "/ninja/orders",
    "Django REST framework": "/rest/orders",
}
ASYNC_PATHS = {BARE_ASYNC: "/bare-async/orders", OURS_ASYNC: "/kontract/rpc/place_order_async"}

MIDDLEWARE = {
    "no middleware": [],
    "the middleware that startproject writes": [
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
}

PAGE = """\
# What a call costs

The time of a call that uses no storage, divided by that of a bare Django view which parses the same JSON, does the same
and returns a `JsonResponse`; and the same endpoint in Django's frameworks for APIs. All but the bare view validate what
they are sent, and what they answer. `python -m benchmarks.calls --docs docs` measures it anew and writes this page.

{table}

The median over {rounds} rounds, and in parentheses the middle half of them. In one process the endpoints take turns,
request by request, through Django's whole handler; a round gives each one's median, and only quotients within one round
count. There is no database: a call that uses none opens no connection.

An asynchronous call goes to the thread that owns Django's connection to begin, and again to end. A bare asynchronous
view never does, unless some of the middleware is synchronous.
"""


class Requests:
    """Requests to each endpoint, through one handler; ``is_async`` chooses the handler's kind."""

    def __init__(self, *, is_async: bool) -> None:
        from django.core.handlers.base import BaseHandler

        self._is_async = is_async
        self._handler = BaseHandler()
        self._handler.load_middleware(is_async=is_async)
        self._loop = asyncio.new_event_loop()

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        """Return the answering of a new request."""
        sent: Any = {"kwargs": SENT} if name in (OURS, OURS_ASYNC) else SENT
        request = make_request((PATHS | ASYNC_PATHS)[name], json.dumps(sent).encode())
        if not self._is_async:
            return functools.partial(self._handler.get_response, request)
        return functools.partial(self._loop.run_until_complete, self._handler.get_response_async(request))

    def verify(self, name: str, step: int, result: Any) -> None:
        """Check the answer.  Raises ``SystemExit``."""
        answer = json.loads(result.content)
        if result.status_code not in (200, 201) or answer.get("result", answer) != ANSWER:
            sys.exit(f"{name} answered {result.status_code}: {result.content!r}")

    def close(self) -> None:
        """End the event loop."""
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


def make_request(path: str, body: bytes) -> Any:
    """Return Django's request, as a WSGI server would have it made."""
    from django.core.handlers.wsgi import WSGIRequest

    return WSGIRequest(
        {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": path,
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost",
            "HTTP_ACCEPT": "*/*",
            "HTTP_USER_AGENT": "benchmark",
            "wsgi.input": BytesIO(body),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multiprocess": False,
            "wsgi.multithread": False,
            "wsgi.run_once": False,
        }
    )


def configure() -> None:
    """Set Django up: every endpoint, and no database."""
    if missing := [name for module, name in PEERS.items() if importlib.util.find_spec(module) is None]:
        sys.exit(f"The benchmark lacks {', '.join(missing)}. Install it: pip install -e '.[bench]'")
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="no secret at all: this key guards nothing but a benchmark",
        ALLOWED_HOSTS=["localhost"],
        USE_TZ=True,
        ROOT_URLCONF="benchmarks.endpoints.urls",
        INSTALLED_APPS=[
            *("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"),
            *("django.contrib.messages", "rest_framework", "kontract", "benchmarks.endpoints"),
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "never connected"}},
    )
    django.setup()


def measure(effort: Effort) -> dict[str, dict[str, Ratio]]:
    """Return the ratios of every endpoint to the bare view of its kind, under each set of middleware."""
    from django.test import override_settings

    found = {}
    for title, middleware in MIDDLEWARE.items():
        with override_settings(MIDDLEWARE=middleware):
            times = _time(PATHS, effort, is_async=False)
            found[title] = {name: ratio(times, name, BARE) for name in PATHS if name != BARE}
            times = _time(ASYNC_PATHS, effort, is_async=True)
            found[title][OURS_ASYNC] = ratio(times, OURS_ASYNC, BARE_ASYNC)
    return found


def _time(paths: dict[str, str], effort: Effort, *, is_async: bool) -> Times:
    requests = Requests(is_async=is_async)
    try:
        return compare(requests, list(paths), effort)
    finally:
        requests.close()


def render(found: dict[str, dict[str, Ratio]]) -> str:
    """Return the ratios as a table of Markdown."""
    lines = [
        f"| times a bare view's | {' | '.join(f'with {title}' for title in found)} |",
        "|---" * (len(found) + 1) + "|",
    ]
    names = next(iter(found.values()))
    lines += [f"| {name} | {' | '.join(str(ratios[name]) for ratios in found.values())} |" for name in names]
    return "\n".join(lines)


def main() -> None:
    """Measure, print and write; a missed target is no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calls", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=40, help="rounds of 50 requests to each endpoint (default: 40)")
    parser.add_argument("--docs", type=Path, metavar="FOLDER", help="where to write the page")
    options = parser.parse_args()
    configure()
    found = measure(Effort(rounds=options.rounds, repeats=50, warm_up=200))
    print(render(found))
    for title, ratios in found.items():
        verdict = "kept" if ratios[OURS].median <= LIMIT else "MISSED"
        print(f"target: {OURS} at most {LIMIT} with {title}: {verdict}")
    if options.docs:
        (options.docs / "calls_benchmark.md").write_text(PAGE.format(table=render(found), rounds=options.rounds))


if __name__ == "__main__":
    main()
