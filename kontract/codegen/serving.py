"""The OpenAPI document over HTTP: ``openapi.json`` beside ``rpc``."""

from functools import lru_cache
from hashlib import blake2b

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition, require_safe

from kontract.codegen.manifest import build_manifest
from kontract.codegen.openapi import render
from kontract.conf import get_settings
from kontract.rpc.registry import registry


def render_openapi() -> str:
    """Return the document of all procedures, which imports them."""
    return render(build_manifest(registry), server=find_mount(), version=get_settings().RELEASE)


def find_mount() -> str:
    """Return the path that kontract's URLs are mounted at; ``"."``, that of the document, where they are not."""
    try:
        return reverse("kontract:batch").removesuffix("/rpc") or "/"
    except NoReverseMatch:
        return "."


@lru_cache(maxsize=8)
def _render(mount: str, release: str) -> tuple[bytes, str]:
    """Return the document and its ETag, made once for each place that it is mounted at."""
    text = render_openapi().encode()
    return text, f'"{blake2b(text, digest_size=12).hexdigest()}"'


def _document() -> tuple[bytes, str]:
    return _render(find_mount(), get_settings().RELEASE)


def _etag(request: HttpRequest) -> str | None:
    return _document()[1] if get_settings().OPENAPI else None


@require_safe
@cache_control(no_cache=True)
@condition(etag_func=_etag)
def openapi(request: HttpRequest) -> HttpResponse:
    """Return the document, unless the setting ``OPENAPI`` keeps it."""
    if not get_settings().OPENAPI:
        raise Http404("The OpenAPI document is not served here.")
    return HttpResponse(_document()[0], content_type="application/json", headers={"X-Content-Type-Options": "nosniff"})
