"""Setting the channel up: settings, checks, and the command that makes keys."""

import base64
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client as DjangoClient

from kontract.checks import check_channel, check_channel_transport, check_settings
from kontract.codegen.channel import describe_channel
from kontract.conf import parse
from kontract.exceptions import ConfigurationError
from kontract.raystream.client import Client
from kontract.raystream.errors import SessionResetError
from kontract.raystream.keys import Pins
from kontract.rpc.registry import registry

from .wire import DAY, KEYS, MIDDLEWARE, OUTER, PINS, SIGN_IN, Peer, Wire, in_base64, options

CORS = "corsheaders.middleware.CorsMiddleware"
KEY = options()["keys"][0]


def ids() -> list[str]:
    """Return what the check finds."""
    return [str(message.id) for message in check_channel()]


def set_up(settings: Any, **changes: Any) -> None:
    settings.KONTRACT = {"RAYSTREAM": options(**changes)}


def run(*arguments: str) -> str:
    output = StringIO()
    call_command("kontract_keys", *arguments, stdout=output)
    return output.getvalue()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"audiense": "x"}, "Did you mean 'audience'"),
        ({"audience": ""}, "must be a name"),
        ({"keys": []}, "must be a list of keys"),
        ({"keys": ["x"]}, 'dict with "key"'),
        ({"keys": [{**KEY, "not_after": "tomorrow"}]}, "is 'tomorrow'; it must be a day"),
        ({"keys": [{**KEY, "key": "AAAA"}]}, "32 random bytes in base64"),
        ({"wrapping_key": "not base64"}, "32 random bytes in base64"),
        ({"policy": "perhaps"}, '"allowed" or "required"'),
        ({"egroups": {"api": "never"}}, '"allowed" or "required"'),
        ({"flush": "yes"}, "True or False"),
        ({"pending": 0}, "from 2 on"),
    ],
)
def test_a_mistake_is_a_sentence_and_a_system_check(changes: Any, message: str, settings: Any) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse({"RAYSTREAM": options(**changes)})
    set_up(settings, **changes)
    assert [error.id for error in check_settings()] == ["kontract.E001"]
    assert ids() == []


def test_no_error_shows_a_secret(settings: Any) -> None:
    secret = in_base64(bytes(31))
    with pytest.raises(ConfigurationError) as error:
        parse({"RAYSTREAM": options(wrapping_key=secret, keys=[{**KEY, "key": secret}])})
    assert secret not in str(error.value)
    settings = parse({"RAYSTREAM": options()})
    assert "secret" not in repr(settings.RAYSTREAM)
    assert "wrapping_key" not in repr(settings.RAYSTREAM)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"suites": [1, 3]}, ["kontract.E050"]),
        ({"limits": {"chunks": 1}}, ["kontract.E050"]),
        ({"handshakes": "often"}, ["kontract.E050"]),
        ({"keys": [KEY, KEY]}, ["kontract.E050"]),
        ({"keys": [{**KEY, "not_after": "2020-01-01"}]}, ["kontract.E050"]),
        ({"keys": [KEY]}, ["kontract.W050"]),
        ({"egroups": {"nothing": "required"}}, ["kontract.W052"]),
    ],
)
def test_keys_and_limits_are_checked(changes: Any, found: list[str], settings: Any) -> None:
    set_up(settings, **changes)
    assert ids() == found


def test_a_key_that_is_about_to_end_is_told_in_time(settings: Any) -> None:
    soon = (datetime.now(UTC) + timedelta(days=20)).date()
    set_up(settings, keys=[{**KEY, "not_after": soon}, options()["keys"][1]])
    assert ids() == ["kontract.W051"]


@pytest.mark.parametrize(
    ("middleware", "found"),
    [
        ([MIDDLEWARE, SIGN_IN, "django.middleware.gzip.GZipMiddleware"], []),
        (["kontract.middleware.raystream.RaystreamMiddleware"], []),
        ([CORS, MIDDLEWARE, SIGN_IN], []),
        ([], ["kontract.E051"]),
        ([SIGN_IN, MIDDLEWARE], ["kontract.E051"]),
        (["django.middleware.gzip.GZipMiddleware", MIDDLEWARE], ["kontract.E053"]),
        (["django.middleware.gzip.GZipMiddleware", SIGN_IN, MIDDLEWARE], ["kontract.E053", "kontract.E051"]),
    ],
)
def test_the_place_among_middleware_is_checked(middleware: list[str], found: list[str], settings: Any) -> None:
    settings.MIDDLEWARE = middleware
    assert ids() == found


def test_pages_of_another_origin_can_call(settings: Any) -> None:
    settings.MIDDLEWARE = [CORS, MIDDLEWARE, SIGN_IN]
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    asked = DjangoClient().options(
        OUTER,
        HTTP_ORIGIN="https://app.example",
        HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST",
        HTTP_ACCESS_CONTROL_REQUEST_HEADERS="content-type",
    )
    assert (asked.status_code, asked["Access-Control-Allow-Origin"]) == (200, "https://app.example")
    assert "content-type" in asked["Access-Control-Allow-Headers"]
    peer = Peer(Wire()).connect()
    answer = peer.send(peer.seal_call("echo", 5), HTTP_ORIGIN="https://app.example")
    assert (answer.json, answer.outer["Access-Control-Allow-Origin"]) == ({"result": 5}, "https://app.example")
    assert "access-control-allow-origin" not in answer.headers


def test_the_mount_is_checked(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.shop.urls"
    assert ids() == ["kontract.E052"]


def test_a_mount_without_tls_is_told_before_deployment(settings: Any) -> None:
    assert [message.id for message in check_channel_transport()] == ["kontract.W053"]
    settings.SECURE_SSL_REDIRECT = True
    assert check_channel_transport() == []


def test_what_cannot_be_called_is_told(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    route = replace(registry.describe("echo"), raystream="required")
    monkeypatch.setitem(registry._routes, "echo", route)
    settings.KONTRACT, settings.MIDDLEWARE = {}, []
    assert ids() == ["kontract.E054"]
    settings.MIDDLEWARE = [MIDDLEWARE]
    assert ids() == ["kontract.E050", "kontract.E054"]


# --- The command -----------------------------------------------------------------------------------------------------


def test_what_new_prints_is_what_the_settings_need(settings: Any) -> None:
    settings.KONTRACT = {}
    text = run("new")
    module: dict[str, Any] = {"KONTRACT": {}}
    exec(text, module)  # noqa: S102 - it is a piece of a settings file
    settings.KONTRACT = module["KONTRACT"]
    assert ids() == []
    assert check_settings() == []
    assert run("new") != text


def test_new_prints_a_key_to_append(settings: Any) -> None:
    text = run("new", "--days", "10")
    (line,) = re.findall(r"^\{.*\},$", text, re.MULTILINE)
    key = eval(line)[0]  # noqa: S307 - as above
    set_up(settings, keys=[*options()["keys"], key])
    assert ids() == []
    assert in_base64(KEYS[0].private_bytes()) not in text


def test_list_and_public_show_no_secret() -> None:
    listed, public = run("list"), run("public")
    assert [line.split() for line in listed.splitlines()] == [
        [key.kid.hex(), "until", DAY, state, in_base64(key.public)]
        for key, state in zip(KEYS, ("current", "next"), strict=True)
    ]
    lines = dict(line.split(" ", 1) for line in public.splitlines())
    assert (lines["audience"], lines["suites"]) == (PINS.audience, "1 2")
    assert [base64.b64decode(line.split()[1]) for line in public.splitlines() if line[:3] == "key"] == list(PINS.keys)
    for secret in (*(key.private_bytes() for key in KEYS), bytes(range(32))):
        assert in_base64(secret) not in listed + public


def test_the_command_says_what_is_wrong(settings: Any) -> None:
    with pytest.raises(CommandError, match="at least 1"):
        run("new", "--days", "0")
    settings.KONTRACT = {"RAYSTREAM": {"audience": "x"}}
    for action in ("list", "public"):
        with pytest.raises(CommandError, match=r"lacks 'keys'.*kontract_keys new"):
            run(action)
    assert "wrapping_key" in run("new")
    settings.KONTRACT = {}
    with pytest.raises(CommandError, match="not set up"):
        run("list")


# --- Changing keys ---------------------------------------------------------------------------------------------------


def test_a_client_goes_on_to_the_next_key_when_the_current_one_is_gone(settings: Any) -> None:
    set_up(settings, keys=[options()["keys"][1]])
    peer = Peer(Wire())
    assert peer.wire.post(peer.client.start()).status_code == 400
    with pytest.raises(Exception, match="reset"):
        peer.client.receive(peer.wire.post(b"").content, 0)
    assert peer.connect().call("echo", 1).status == 200


def test_keys_are_changed_step_by_step_and_nobody_is_locked_out(settings: Any) -> None:
    def deploy(*keys: Any) -> Wire:
        set_up(settings, keys=list(keys))
        assert ids() == []
        return Wire()

    def build_client(wire: Wire) -> Peer:
        channel = describe_channel()
        assert channel is not None
        peer = Peer(wire)
        peer.client = Client(Pins.parse(channel.audience, channel.keys))
        return peer

    def states() -> list[str]:
        return [line.split()[3] for line in run("list").splitlines()]

    current, following = options()["keys"]
    old = build_client(deploy(current, following)).connect()
    (line,) = re.findall(r"^\{.*\},$", run("new"), re.MULTILINE)
    after = eval(line)[0]  # noqa: S307 - it is a piece of a settings file
    old.wire = deploy(current, following, after)
    assert states() == ["current", "next", "next"]
    assert old.call("echo", 1).status == 200

    wire = deploy(following, after, current)
    new = build_client(wire).connect()
    old.wire = wire
    assert (new.call("echo", 1).status, old.connect().call("echo", 2).status) == (200, 200)

    new.wire = old.wire = deploy(following, after)
    assert (new.call("echo", 3).status, old.call("echo", 4).status) == (200, 200), "sessions go on"
    old.client.drop()
    with pytest.raises(SessionResetError):
        old.client.receive(old.wire.post(old.client.start()).content, time.time())
    assert old.connect().call("echo", 5).status == 200
    assert build_client(old.wire).connect().call("echo", 6).status == 200
