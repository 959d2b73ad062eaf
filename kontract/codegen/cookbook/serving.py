"""The cookbook over HTTP: ``docs/`` beside ``rpc``, under a policy that lets pages load nothing but what is here."""

from collections.abc import Callable
from functools import lru_cache, wraps
from hashlib import blake2b
from typing import Final

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.urls import NoReverseMatch, path, reverse
from django.utils.http import urlencode
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import condition, require_safe

from kontract.codegen.cookbook.accounts import describe_session, describe_ways, is_staff
from kontract.codegen.cookbook.folding import fold
from kontract.codegen.cookbook.fragments import write_types
from kontract.codegen.cookbook.outputs import collect
from kontract.codegen.cookbook.pages import ASSETS, write_index, write_page, write_search_index
from kontract.codegen.cookbook.recipe import Recipe, gather
from kontract.codegen.manifest import build_manifest
from kontract.codegen.serving import find_mount
from kontract.conf import Audience, get_settings, is_debug
from kontract.exceptions import ProcedureNotFound
from kontract.rpc.registry import registry

View = Callable[..., HttpResponse]

TITLE: Final = "Cookbook"
# Nothing inline, nothing from other hosts, and no text becomes a script.
POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def find_audience() -> Audience:
    """Return who is shown the cookbook."""
    return get_settings().DOCS or ("public" if is_debug() else "staff")


def guarded(view: View) -> View:
    """Show a page to those alone whom the setting ``DOCS`` names, and as the policy says."""

    @require_safe
    @wraps(view)
    def show(request: HttpRequest, **parts: str) -> HttpResponse:
        if (refused := _refuse(request)) is not None:
            return refused
        response = view(request, **parts)
        for name, value in _HEADERS.items():
            response.headers[name] = value
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response

    return show


def _refuse(request: HttpRequest) -> HttpResponse | None:
    audience = find_audience()
    if audience == "off":
        raise Http404("The cookbook is not served here.")
    if audience == "public" or is_staff(request):
        return None
    if describe_session(request) is None and (login := _find_login()) is not None:
        return HttpResponseRedirect(f"{login}?{urlencode({'next': request.get_full_path()})}")
    raise Http404("The cookbook is shown to staff only.")


def _find_login() -> str | None:
    try:
        return reverse("admin:login")
    except NoReverseMatch:
        return None


@lru_cache(maxsize=1)
def _collect() -> list[Recipe]:
    return collect()


@guarded
def index(request: HttpRequest) -> HttpResponse:
    """Answer with the list of all procedures, which imports none of them."""
    return HttpResponse(write_index(TITLE, _collect(), home="./"))


@guarded
def search_index(request: HttpRequest) -> HttpResponse:
    """Answer with the script that tells pages of all procedures."""
    return HttpResponse(write_search_index(_collect()), content_type="text/javascript; charset=utf-8")


@guarded
def page(request: HttpRequest, name: str) -> HttpResponse:
    """Answer with the page of a procedure."""
    try:
        recipe = collect_one(name)
    except ProcedureNotFound as error:
        raise Http404(str(error)) from error
    if describe_session(request) is None:
        return _show(request, recipe)
    return _show_signed_in(request, recipe)


def _show(request: HttpRequest, recipe: Recipe, csrf: str = "") -> HttpResponse:
    mount = find_mount().removesuffix("/")
    text = write_page(
        TITLE,
        recipe,
        request.build_absolute_uri(mount or "/").removesuffix("/"),
        types=write_types(recipe.definitions),
        home="./",
        mount=mount,
        auth=describe_ways(),
        session=describe_session(request),
        csrf=csrf,
    )
    return HttpResponse(text)


@ensure_csrf_cookie
def _show_signed_in(request: HttpRequest, recipe: Recipe) -> HttpResponse:
    """See _show(); whom a cookie signs in needs a token for calls."""
    return _show(request, recipe, get_token(request))


@lru_cache(maxsize=1)
def _list_assets() -> dict[str, tuple[bytes, str]]:
    """Return the content and the ETag of each file that pages load."""
    contents = {path.name: path.read_bytes() for path in sorted(ASSETS.iterdir())}
    return {name: (content, f'"{blake2b(content, digest_size=12).hexdigest()}"') for name, content in contents.items()}


def _find_etag(request: HttpRequest, name: str) -> str | None:
    found = _list_assets().get(name)
    return None if found is None else found[1]


@guarded
@condition(etag_func=_find_etag)
def asset(request: HttpRequest, name: str) -> HttpResponse:
    """Answer with a file that pages load.  Not left to the project's static files, which may be on another host."""
    if (found := _list_assets().get(name)) is None:
        raise Http404(f"There is no {name[:100]!a}.")
    kind = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}[name.rpartition(".")[2]]
    return HttpResponse(found[0], content_type=f"{kind}; charset=utf-8")


@lru_cache(maxsize=512)
def collect_one(name: str) -> Recipe:
    """Return the recipe of one procedure, whose module this imports.  Raises ``ProcedureNotFound``."""
    procedure = registry.get(name)
    (recipe,) = gather(fold(build_manifest([procedure])), [registry.describe(name)])
    return recipe


urlpatterns = [
    path("", index, name="docs"),
    path("search-index.js", search_index, name="docs-search-index"),
    path("procedures/<str:name>.html", page, name="docs-procedure"),
    path("assets/<str:name>", asset, name="docs-asset"),
]
