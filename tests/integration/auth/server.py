"""A server that signs in, in a process of its own; and what a test has to see and do there."""

import socket
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db.models import F
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import override_settings
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

import kontract
from kontract import tables
from kontract.auth.models import Principal
from kontract.auth.sessions import known
from tests.integration.raystream.wire import options
from tests.processes import Report, Worker

FAST = ["django.contrib.auth.hashers.MD5PasswordHasher"]
RATES = dict.fromkeys(["anonymous", "login", "failures", "register", "refresh", "email"], "10000/s")

_counts: Counter[str] = Counter()


@contextmanager
def sealed() -> Iterator[None]:
    """Set the encrypted channel up, which signing in then has to go through."""
    channel = options(egroups={"auth": "required"})
    with override_settings(KONTRACT={**settings.KONTRACT, "RAYSTREAM": channel}):
        yield


@contextmanager
def serve(built: Path = Path(), **auth: Any) -> Iterator[str]:
    """Serve in a new namespace until the block ends, with these options of authentication; give the URL.

    ``built`` has scripts for pages.
    """
    namespace = f"auth-{uuid.uuid4().hex}"
    tables.create_namespace(namespace)
    with kontract.namespace(namespace), Worker(run, built, auth) as worker:
        yield f"http://127.0.0.1:{worker.report()}"


def run(report: Report, built: Path, auth: dict[str, Any]) -> None:
    """Be the server."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    auth = {"rates": RATES, "cookie_secure": False, **auth}
    channel = ["kontract.middleware.RaystreamMiddleware"] if "RAYSTREAM" in settings.KONTRACT else []
    with override_settings(
        ALLOWED_HOSTS=["127.0.0.1", "localhost"],
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[*channel, "kontract.middleware.AuthMiddleware"],
        PASSWORD_HASHERS=FAST,
        KONTRACT={**settings.KONTRACT, "AUTH": auth},
        KONTRACT_TEST_BUILT=built,
    ):
        application = get_asgi_application()

        async def count(scope: Any, receive: Any, send: Any) -> None:
            name = scope["path"].rpartition("/")[2]
            _counts[name] += 1

            async def note(message: Any) -> None:
                if message["type"] == "http.response.start":
                    _counts[f"{name} {message['status']}"] += 1
                await send(message)

            await application(scope, receive, note)

        report(listener.getsockname()[1])
        config = uvicorn.Config(count, lifespan="off", log_level="warning")
        uvicorn.Server(config).run([listener])


def counts(request: HttpRequest) -> HttpResponse:
    """Tell how many requests there were, by the last part of their path, and by that and the status."""
    return JsonResponse(_counts)


@csrf_exempt
def void(request: HttpRequest, principal: str) -> HttpResponse:
    """Make all access tokens of a principal void, but not its sessions."""
    changed = Principal.objects.filter(pk=principal).update(epoch=F("epoch") + 1)
    known.forget()
    return JsonResponse(changed, safe=False)


def page(request: HttpRequest) -> HttpResponse:
    """Give a page that has the client as ``api``."""
    script = '<script type="module">import * as api from "/built/client.js"; window.api = api;</script>'
    return HttpResponse(f"<!doctype html><title>auth</title><link rel=icon href=data:,>{script}")


def script(request: HttpRequest, name: str) -> HttpResponse:
    """Give a compiled script."""
    built: Path = getattr(settings, "KONTRACT_TEST_BUILT")  # noqa: B009 - not of Django
    return HttpResponse((built / Path(name).name).read_bytes(), content_type="text/javascript")


urlpatterns = [
    path("", page),
    path("counts", counts),
    path("void/<str:principal>", void),
    path("built/<path:name>", script),
    path("kontract/", include("kontract.urls")),
]
