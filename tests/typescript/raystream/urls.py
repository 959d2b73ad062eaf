"""kontract's URLs, and the page that calls through the encrypted channel."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from django.views.static import serve

from tests.typescript.toolchain import PACKAGES
from tests.typescript.urls import BUILT, report

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>kontract</title>
<script type="importmap">{"imports": {"@noble/ciphers/": "/packages/@noble/ciphers/"}}</script>
<script type="module" src="/built/page.js"></script>
"""


def page(request: HttpRequest) -> HttpResponse:
    """Give the browser the page that runs the tests there."""
    return HttpResponse(PAGE)


@csrf_exempt
def mark(request: HttpRequest, text: str) -> HttpResponse:
    """Mark what comes from now on, for whoever records all bytes."""
    return HttpResponse(text)


urlpatterns = [
    path("", page),
    path("begin", mark, {"text": "THE STORY BEGINS"}),
    path("end", mark, {"text": "THE STORY ENDS"}),
    path("report", report),
    path("built/<path:path>", serve, {"document_root": BUILT}),
    path("packages/<path:path>", serve, {"document_root": PACKAGES}),
    path("kontract/", include("kontract.urls")),
]
