"""What ``manage.py check`` says of the encrypted channel: what would leave calls outside of it, or lock clients out."""

import time
from collections.abc import Iterator

from django.core.checks import CheckMessage, Error, Warning
from django.urls import NoReverseMatch, reverse

from kontract.conf import RaystreamOptions, get_installed_middleware, get_settings, is_https_enforced
from kontract.exceptions import ConfigurationError
from kontract.middleware.raystream_gate import make_server
from kontract.rpc.channel import find_policy
from kontract.rpc.limits import Rate
from kontract.rpc.registry import registry

OURS = "kontract.middleware.RaystreamMiddleware"

_ALIASES = (OURS, "kontract.middleware.raystream.RaystreamMiddleware")
_CORS = "corsheaders.middleware.CorsMiddleware"  # which answers for the outer requests, as browsers make them
_GZIP = "django.middleware.gzip.GZipMiddleware"
_MONTH = 30 * 86_400  # seconds
_NEW = "manage.py kontract_keys new makes keys; see docs/raystream.md."


def check_raystream() -> Iterator[CheckMessage]:
    """Check the settings of the channel, and its place among the middleware."""
    try:
        options = get_settings().RAYSTREAM
    except ConfigurationError:  # which has a check of its own
        return
    installed = get_installed_middleware()
    place = next((position for position, path in enumerate(installed) if path in _ALIASES), None)
    if options is None:
        yield from _check_absence(is_installed=place is not None)
        return
    yield from _check_options(options)
    if place is None:
        yield Error(
            'KONTRACT["RAYSTREAM"] is set up, but RaystreamMiddleware is not in MIDDLEWARE, so nothing opens what '
            "clients seal.",
            hint=f"Put {OURS!r} first in MIDDLEWARE.",
            id="kontract.E051",
        )
        return
    yield from _check_order(installed[:place])
    yield from _check_mount()


def check_transport() -> Iterator[CheckMessage]:
    """Check, before deployment, that pages do not come without TLS."""
    try:
        options = get_settings().RAYSTREAM
    except ConfigurationError:
        return
    if options is not None and not is_https_enforced():
        yield Warning(
            "raystream is mounted where requests may come without TLS. Whoever is on the way can then change the "
            "JavaScript that speaks it, and browsers give such pages no cryptography.",
            hint="Set SECURE_SSL_REDIRECT, or silence this where a proxy in front does the same.",
            id="kontract.W053",
        )


def _check_absence(*, is_installed: bool) -> Iterator[CheckMessage]:
    if is_installed:
        yield Error('RaystreamMiddleware has no keys in KONTRACT["RAYSTREAM"].', hint=_NEW, id="kontract.E050")
    for route in registry.routes():
        if find_policy(route) == "required":
            yield Error(
                f"The procedure {route.name!r} is called through raystream only, which is not set up: so by nobody.",
                hint=_NEW,
                id="kontract.E054",
            )


def _check_options(options: RaystreamOptions) -> Iterator[CheckMessage]:
    try:
        make_server(options)
        Rate.parse(options.handshakes)
    except ConfigurationError as error:
        yield Error(str(error), hint="See docs/raystream.md.", id="kontract.E050")
        return
    good = [key for key in options.keys if key.not_after > time.time()]
    if not good:
        yield Error("All keys of raystream have reached their not_after.", hint=_NEW, id="kontract.E050")
    elif len(good) == 1:
        yield Warning(
            "raystream has a single key. When it has to be replaced, all clients that pin it are locked out.",
            hint=_NEW,
            id="kontract.W050",
        )
    elif good[0].not_after < time.time() + _MONTH:
        yield Warning(
            "The current key of raystream has less than 30 days left.",
            hint="Let clients be built that begin with the next one; see Changing keys in docs/raystream.md.",
            id="kontract.W051",
        )
    egroups = {route.egroup for route in registry.routes()}
    for name in sorted(options.egroups.keys() - egroups):
        yield Warning(
            f'KONTRACT["RAYSTREAM"]["egroups"] names the endpoint group {name!r}, but no procedure is in it.',
            hint="Correct the name, or remove it.",
            id="kontract.W052",
        )


def _check_order(before: tuple[str, ...]) -> Iterator[CheckMessage]:
    if _GZIP in before:
        yield Error(
            "GZipMiddleware stands before RaystreamMiddleware: it compresses what is encrypted, and how long that gets "
            "can tell what is inside.",
            hint=f"Move {_GZIP!r} behind RaystreamMiddleware, or remove it.",
            id="kontract.E053",
        )
    others = ", ".join(path for path in before if path not in (_CORS, _GZIP))
    if others:
        yield Error(
            f"RaystreamMiddleware is not first: {others} would see sealed requests only, and never what is inside.",
            hint=f"Put {OURS!r} first in MIDDLEWARE.",
            id="kontract.E051",
        )


def _check_mount() -> Iterator[CheckMessage]:
    try:
        reverse("kontract:raystream")
    except NoReverseMatch:
        yield Error(
            "RaystreamMiddleware is installed, but kontract.urls are not mounted: nobody reaches the channel.",
            hint='Add path("kontract/", include("kontract.urls")) to the URLs.',
            id="kontract.E052",
        )
