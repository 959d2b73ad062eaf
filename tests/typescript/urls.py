"""kontract's URLs, pages for a browser, and a server that answers as none should."""

import os
from pathlib import Path

from django.contrib.auth import get_user_model, login
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt, ensure_csrf_cookie
from django.views.static import serve

BUILT = Path(os.environ.get("KONTRACT_TEST_BUILT", "."))
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>kontract</title>
<script type="module" src="/built/page.js"></script>
"""


@ensure_csrf_cookie
def page(request: HttpRequest) -> HttpResponse:
    """Sign the browser in, and give it the page that runs the tests there."""
    user, _ = get_user_model().objects.get_or_create(username="ada")
    login(request, user)
    return HttpResponse(PAGE)


@csrf_exempt
def report(request: HttpRequest) -> HttpResponse:
    """Keep what the page found, for the test to read."""
    (BUILT / "report.part").write_bytes(request.body)
    (BUILT / "report.part").rename(BUILT / "report")
    return HttpResponse()


@csrf_exempt
def cut_off(request: HttpRequest) -> HttpResponse:
    """Answer with a stream that ends in the middle of a line."""
    return HttpResponse(b'{"item":0}\n{"item":1}\n{"done":tr', content_type="application/jsonl")


@csrf_exempt
def proxy(request: HttpRequest, status: int) -> HttpResponse:
    """Answer as a proxy does for a server that it cannot reach, or that makes everyone log in."""
    return HttpResponse("<h1>Sorry</h1>", status=status)


urlpatterns = [
    path("", page),
    path("report", report),
    path("built/<path:path>", serve, {"document_root": BUILT}),
    path("kontract/", include("kontract.urls")),
    path("broken/rpc/zoo_count", cut_off),
    path("broken/rpc/zoo_nothing", proxy, {"status": 502}),
    path("broken/rpc/lab_count", proxy, {"status": 502}),
    path("broken/rpc/lab_counted", proxy, {"status": 200}),
]
