"""Filter rules: what they mean, what is refused, how middleware is composed, and whose address counts."""

import asyncio
import sys
from types import ModuleType
from typing import Any

import pytest
from django.core.checks import CheckMessage
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from django.test.utils import override_settings as overriding

from kontract import mwfilter
from kontract.checks import check_middleware
from kontract.conf import parse as parse_settings
from kontract.exceptions import ConfigurationError
from kontract.rpc.address import client_ip, client_network
from kontract.rpc.chains import compose, compose_for
from kontract.rpc.filters import Rule, parse
from kontract.rpc.limits import Rate
from kontract.rpc.procedure import Procedure
from tests.app import mw
from tests.docs import blocks

MW = "tests.app.mw"


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    mw.seen.clear()


def procedure(name: str, egroup: str = "default") -> Procedure[..., Any]:
    def function() -> None:
        """Do nothing."""

    return Procedure(name=name, function=function, egroup=egroup)


def rule(**filter_: Any) -> Rule:
    (made,) = parse([{"fn": f"{MW}.outer", "filter": filter_}])
    return made


def with_rules(*entries: Any, **settings: Any) -> overriding:
    return override_settings(KONTRACT={"MIDDLEWARE": list(entries)}, **settings)


# --- What a filter means ---


@pytest.mark.parametrize(
    ("prefix", "path", "expected"),
    [
        ("/api", "/api", True),
        ("/api", "/api/", True),
        ("/api", "/api/users", True),
        ("/api", "/apikeys", False),
        ("/api", "/", False),
        ("/api", "/API/users", False),
        ("/api", "//api/users", False),
        ("/api", "/other/api/users", False),
        ("/api/", "/api", True),
        ("/api/", "/api/users", True),
        ("/api/", "/apikeys", False),
        ("/api/v1", "/api/v10", False),
        ("/", "/anything", True),
        (["/a", "/b"], "/b/c", True),
        (["/a", "/b"], "/c", False),
    ],
)
def test_a_prefix_is_whole_segments_of_the_path(prefix: Any, path: str, expected: bool) -> None:
    assert rule(prefixurl=prefix).has_path(path) is expected


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({}, True),
        ({"egroup": "api-v1"}, True),
        ({"egroup": ["other", "api-v1"]}, True),
        ({"egroup": "api"}, False),
        ({"endpoints": ["create_user"]}, True),
        ({"endpoints": ("a", "create_user")}, True),
        ({"endpoints": "create"}, False),
        ({"egroup": "api-v1", "endpoints": "create_user"}, True),
        ({"egroup": "other", "endpoints": "create_user"}, False),
        ({"egroup": "api-v1", "endpoints": "other"}, False),
    ],
)
def test_criteria_of_procedures_combine_by_and(criteria: Any, expected: bool) -> None:
    assert rule(**criteria).has_procedure(procedure("create_user", "api-v1")) is expected


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [({}, True), ({"endpoints": "shop:checkout"}, True), ({"endpoints": "checkout"}, False), ({"egroup": "x"}, False)],
)
def test_ordinary_views_are_known_by_the_name_of_their_url(criteria: Any, expected: bool) -> None:
    assert rule(**criteria).has_view("shop:checkout") is expected


def test_filters_of_the_function_and_the_settings_combine_by_and() -> None:
    (bare,) = parse([f"{MW}.marked"])
    assert bare.has_procedure(procedure("plain"))
    assert not bare.has_procedure(procedure("other"))
    assert (bare.has_path("/inside/x"), bare.has_path("/outside")) == (True, False)
    (narrowed,) = parse([{"fn": f"{MW}.marked", "filter": {"endpoints": ["plain", "other"], "prefixurl": "/inside/x"}}])
    assert narrowed.has_procedure(procedure("plain"))
    assert not narrowed.has_procedure(procedure("call"))
    assert not narrowed.has_procedure(procedure("other"))
    assert (narrowed.has_path("/inside/x"), narrowed.has_path("/inside")) == (True, False)


def test_what_has_no_criterion_is_no_filter() -> None:
    assert parse([{"fn": f"{MW}.outer", "filter": {}}])[0].filters == parse([f"{MW}.outer"])[0].filters == ()


# --- What is refused ---


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (5, r"\[0\] is 5; it must be the dotted path"),
        ({"filter": {}}, "must be the dotted path"),
        ({"fn": mw.outer}, "must be the dotted path"),
        ({"fn": f"{MW}.outer", "filters": {}}, "unknown key 'filters'. Did you mean 'filter'"),
        ({"fn": f"{MW}.outer", "zzz": {}}, "Known keys: fn, filter, options"),
        ({"fn": f"{MW}.outer", "filter": {"endpoint": "x"}}, "unknown key 'endpoint'. Did you mean 'endpoints'"),
        ({"fn": f"{MW}.outer", "filter": "x"}, "must be a dict"),
        ({"fn": f"{MW}.outer", "options": []}, "must be a dict"),
        ({"fn": f"{MW}.outer", "filter": {"endpoints": []}}, "at least one"),
        ({"fn": f"{MW}.outer", "filter": {"endpoints": None}}, "at least one"),
        ({"fn": f"{MW}.outer", "filter": {"egroup": [5]}}, "at least one"),
        ({"fn": f"{MW}.outer", "filter": {"egroup": ""}}, "at least one"),
        ({"fn": f"{MW}.outer", "filter": {"prefixurl": "api"}}, "a path begins with '/'"),
        (f"{MW}.absent", "cannot be imported"),
        ("nowhere.at.all", "cannot be imported"),
        ("plain", "cannot be imported"),
        (f"{MW}.number", "cannot be called"),
        (f"{MW}.NeedsTheView", r"needs process_view\(\)"),
        ("django.middleware.csrf.CsrfViewMiddleware", r"needs process_view\(\)"),
    ],
)
def test_a_mistake_is_a_sentence_and_a_system_check(entry: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse([entry])
    with with_rules(entry):
        assert [message.id for message in check_middleware()] == ["kontract.E021"]


@pytest.mark.parametrize("criteria", [{"prefixurl": "api"}, {"egroup": []}, {"endpoints": 5}])
def test_the_decorator_refuses_what_matches_nothing(criteria: Any) -> None:
    with pytest.raises(ConfigurationError, match="@mwfilter"):
        mwfilter(**criteria)


@pytest.mark.parametrize(
    "settings", [{"MIDDLEWARE": "app.mw"}, {"TRUSTED_PROXIES": 1.5}, {"TRUSTED_PROXIES": -1}, {"TRUSTED_PROXIES": True}]
)
def test_settings_of_the_wrong_type_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        parse_settings(settings)


@override_settings(KONTRACT={"MIDDLEWARE": "app.mw"})
def test_settings_that_are_wrong_have_a_check_of_their_own() -> None:
    assert check_middleware() == []


# --- What the checks say ---


def said(*entries: Any) -> list[tuple[str | None, str | None]]:
    with with_rules(*entries, ROOT_URLCONF="tests.app.mw"):
        messages: list[CheckMessage] = check_middleware()
    return [(message.id, message.hint) for message in messages]


def test_names_that_do_not_exist() -> None:
    def naming(**filter_: Any) -> dict[str, Any]:
        return {"fn": f"{MW}.outer", "filter": filter_}

    assert said(naming(endpoints=["echo", "shop:checkout", "plain", "kontract:call", f"{MW}.view"])) == []
    assert said(naming(endpoints="shop:chekout")) == [("kontract.W021", "Did you mean 'shop:checkout'?")]
    assert said(naming(endpoints=["echo", "qqqqqq"])) == [("kontract.W021", "Correct the name, or remove it.")]
    assert said(naming(egroup=["default", "defolt"])) == [("kontract.W022", "Did you mean 'default'?")]


@pytest.mark.parametrize(
    "entry",
    [
        {"fn": f"{MW}.outer", "options": {"rate": 5}},
        {"fn": "kontract.middleware.rate_limit", "options": {"rat": "5/m"}},
        {"fn": "kontract.middleware.rate_limit", "options": {"rate": "5 per minute"}},
        {"fn": "kontract.middleware.rate_limit", "options": {"by": "shoe size"}},
        {"fn": "kontract.middleware.rate_limit", "options": {"burst": 0}},
        f"{MW}.forgetful",
        f"{MW}.impossible",
    ],
)
def test_middleware_that_cannot_be_made(entry: Any) -> None:
    assert [number for number, _ in said(entry)] == ["kontract.E021"]


def test_limits_that_count_together() -> None:
    def limit(**options: Any) -> dict[str, Any]:
        return {"fn": "kontract.middleware.rate_limit", "options": options}

    assert [number for number, _ in said(limit(), limit())] == ["kontract.W023"]
    assert said(limit(), limit(rate="5/m"), limit(name="a"), limit(name="a")) == []


# --- Composing ---


def answer(request: HttpRequest, error: Exception) -> HttpResponse:
    return HttpResponse(str(error), status=500)


def sync_view(request: HttpRequest) -> HttpResponse:
    mw.seen.append("view")
    return HttpResponse("fine")


async def async_view(request: HttpRequest) -> HttpResponse:
    mw.seen.append("view")
    return HttpResponse("fine")


def run(paths: list[Any], *, is_async: bool) -> HttpResponse:
    """Compose and run as a server of this kind would."""
    innermost: Any = async_view if is_async else sync_view
    handler = compose(parse(paths), innermost, is_async=is_async, answer=answer)
    request = RequestFactory().get("/")
    response: HttpResponse = asyncio.run(_wait(handler(request))) if is_async else handler(request)
    return response


async def _wait(coroutine: Any) -> Any:
    return await coroutine


@pytest.mark.parametrize("view", [sync_view, async_view])
def test_no_rule_returns_the_view_itself(view: Any) -> None:
    assert compose((), view, is_async=view is async_view, answer=answer) is view
    assert compose(parse([f"{MW}.unused"]), view, is_async=view is async_view, answer=answer) is view
    wanted = procedure("wanted")
    assert compose_for(wanted, "/inside", view) is view
    with with_rules({"fn": f"{MW}.outer", "filter": {"egroup": "other"}}):
        assert compose_for(wanted, "/inside", view) is view
    with with_rules({"fn": f"{MW}.outer", "filter": {"prefixurl": "/other"}}):
        assert compose_for(wanted, "/inside", view) is view


def test_what_is_composed_is_kept_until_the_settings_change() -> None:
    wanted = procedure("wanted")
    with with_rules({"fn": f"{MW}.outer", "filter": {"prefixurl": "/inside"}}):
        first = compose_for(wanted, "/inside/1", sync_view)
        assert first is not sync_view
        assert compose_for(wanted, "/inside/2", sync_view) is first
        assert compose_for(wanted, "/outside", sync_view) is sync_view
    with with_rules(f"{MW}.outer"):
        assert compose_for(wanted, "/inside/1", sync_view) not in (first, sync_view)
    assert compose_for(wanted, "/inside/1", sync_view) is sync_view


@pytest.mark.parametrize("is_async", [False, True])
def test_the_first_is_the_outermost_whatever_kind_each_is(is_async: bool) -> None:
    assert run([f"{MW}.outer", f"{MW}.inner", f"{MW}.either"], is_async=is_async).content == b"fine"
    innermost = f"either {'async' if is_async else 'sync'}"
    assert mw.seen == ["outer in", "inner in", innermost, "view", "inner out 200", "outer out 200"]


@pytest.mark.parametrize("is_async", [False, True])
def test_options_are_given_to_the_factory(is_async: bool) -> None:
    run([{"fn": f"{MW}.either", "options": {"note": "mine"}}, f"{MW}.unused"], is_async=is_async)
    assert mw.seen == [f"mine {'async' if is_async else 'sync'}", "view"]


@pytest.mark.parametrize("is_async", [False, True])
def test_an_error_is_a_response_to_the_middleware_around_it(is_async: bool) -> None:
    response = run([f"{MW}.outer", f"{MW}.inner", f"{MW}.refusing", f"{MW}.either"], is_async=is_async)
    assert (response.status_code, response.content) == (500, b"Not today.")
    assert mw.seen == ["outer in", "inner in", "inner out 500", "outer out 500"]


@pytest.mark.parametrize("is_async", [False, True])
def test_classes_of_django_fit(is_async: bool) -> None:
    assert run([f"{MW}.Tagging"], is_async=is_async)["X-Tagged"] == "no call"
    assert run(["django.middleware.http.ConditionalGetMiddleware"], is_async=is_async)["ETag"]


@pytest.mark.parametrize("path", ["forgetful", "impossible"])
def test_factories_that_make_nothing_are_refused(path: str) -> None:
    with pytest.raises(ConfigurationError, match=path):
        run([f"{MW}.{path}"], is_async=False)


# --- Whose address counts ---


def ask(peer: str, forwarded: str | None = None) -> HttpRequest:
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return RequestFactory().get("/", REMOTE_ADDR=peer, **headers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "expected"),
    [
        (0, "192.0.2.1", None, "192.0.2.1"),
        (0, "192.0.2.1", "198.51.100.9", "192.0.2.1"),  # anybody can send a header
        (1, "10.0.0.1", "198.51.100.9", "198.51.100.9"),
        (1, "10.0.0.1", "203.0.113.66, 198.51.100.9", "198.51.100.9"),  # the left one is forged
        (1, "10.0.0.1", "x" * 100_000 + ", 198.51.100.9", "198.51.100.9"),
        (2, "10.0.0.1", "203.0.113.66, 198.51.100.9, 10.0.0.2", "198.51.100.9"),
        (2, "10.0.0.1", "198.51.100.9", "10.0.0.1"),  # it has not come through both
        (1, "10.0.0.1", None, "10.0.0.1"),
        (1, "10.0.0.1", "", "10.0.0.1"),
        (1, "10.0.0.1", "198.51.100.9, ", "10.0.0.1"),
        (1, "10.0.0.1", "unknown", "10.0.0.1"),
        (1, "10.0.0.1", "1" * 10_000, "10.0.0.1"),
        (1, "10.0.0.1", "198.51.100.9:4711", "198.51.100.9"),
        (1, "10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        (1, "10.0.0.1", "2001:DB8:0::1", "2001:db8::1"),
        (0, "::ffff:192.0.2.1", None, "192.0.2.1"),
        (0, "fe80::1%eth0", None, "fe80::1"),
        (0, "", None, ""),  # a Unix socket
        (1, "", "198.51.100.9", "198.51.100.9"),
    ],
)
def test_only_trusted_proxies_tell_the_address(proxies: int, peer: str, forwarded: str | None, expected: str) -> None:
    with override_settings(KONTRACT={"TRUSTED_PROXIES": proxies}):
        assert client_ip(ask(peer, forwarded)) == expected


def test_a_site_has_one_ipv6_network() -> None:
    assert client_network(ask("2001:db8:1:2:3:4:5:6")) == client_network(ask("2001:db8:1:2::1")) == "2001:db8:1:2::/64"
    assert client_network(ask("192.0.2.1")) == "192.0.2.1"
    assert client_network(ask("")) == ""


# --- Rates ---


@pytest.mark.parametrize(
    ("text", "count", "seconds"),
    [("100/m", 100, 60), ("1/s", 1, 1), ("5/10m", 5, 600), ("30/h", 30, 3600), ("1000/d", 1000, 86400)],
)
def test_rates(text: str, count: int, seconds: int) -> None:
    assert Rate.parse(text) == Rate(count=count, seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "0/m", "-1/m", "5/w", "5 / m", "5/0m", "1.5/m", "5/m\n", "10000000/s", 5, None]
)
def test_what_is_no_rate(text: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no rate"):
        Rate.parse(text)


# --- The guide ---


def test_the_settings_of_the_guide_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {block.text for block in blocks("docs/middleware.md", "python")}
    module = ModuleType("app.mw")
    (source,) = (text for text in found if text.startswith("# app/mw.py\n"))
    exec(compile(source, "docs/middleware.md", "exec"), vars(module))  # noqa: S102 - our own documentation
    monkeypatch.setitem(sys.modules, "app", ModuleType("app"))
    monkeypatch.setitem(sys.modules, "app.mw", module)
    settings = [text for text in found if text.startswith("# settings.py\n")]
    assert len(settings) == 3
    for text in settings:
        names: dict[str, Any] = {}
        exec(compile(text, "docs/middleware.md", "exec"), names)  # noqa: S102
        parse(parse_settings(names.get("KONTRACT", {})).MIDDLEWARE)
    (audit,) = parse(["app.mw.audit"])
    assert audit.has_path("/api/rpc/pay")
    assert not audit.has_path("/shop")
