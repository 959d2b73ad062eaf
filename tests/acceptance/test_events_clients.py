"""Clients that follow tables and live queries of real servers, which crash, over connections that are cut."""

import json
import queue
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from django.db import connections
from django.test import override_settings
from pytest_django import DjangoDbBlocker

import kontract
from kontract import env, tables
from kontract.codegen import javascript, typescript
from kontract.codegen.manifest import build_manifest
from kontract.context import CallContext, calling, get_namespace
from kontract.rpc.registry import registry
from tests.browser import Browser, Page
from tests.docs import blocks
from tests.integration.raystream.wire import options as make_channel
from tests.typescript.streams import TABLES, Cutting, Server, serve
from tests.typescript.toolchain import HERE, PACKAGES, compile_project, find_node, install_packages, run

SECONDS = 20.0


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the compiled client and the program that follows."""
    find_node()
    directory = tmp_path_factory.mktemp("events")
    (directory / "src").mkdir()
    (directory / "src" / "client.ts").write_text(typescript.render(build_manifest(registry)), encoding="utf-8")
    shutil.copy(HERE / "events.test.ts", directory / "src")
    compile_project(directory)
    return directory / "built"


@pytest.fixture(autouse=True)
def place(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A new namespace, with tables that can be followed."""
    with django_db_blocker.unblock(), override_settings(KONTRACT={"TABLES": TABLES, "EVENTS": {}}):
        name = f"events-{uuid.uuid4().hex}"
        tables.create_namespace(name)
        with kontract.namespace(name):
            yield


class Client:
    """A program that follows what it is told to, and says what comes."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._said: queue.Queue[dict[str, Any]] = queue.Queue()
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(json.loads(line))

    def tell(self, do: str, name: str = "a", **arguments: Any) -> None:
        """Have it do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, "name": name, **arguments}) + "\n")
        self._process.stdin.flush()

    def next(self, on: str | None = None, seconds: float = SECONDS) -> dict[str, Any]:
        """Return what it says next, of one kind."""
        while True:
            said = self._said.get(timeout=seconds)
            if on is None or said["on"] == on:
                return said

    def is_quiet(self, seconds: float = 0.3) -> bool:
        """Return whether it says nothing but that streams are open."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                if self._said.get(timeout=left)["on"] != "open":
                    return False
            except queue.Empty:
                return True
        return True


@contextmanager
def following(built: Path, url: str, **options: Any) -> Iterator[Client]:
    """Run a client in node until the block ends."""
    environment = {"KONTRACT_TEST_SERVER": url, "KONTRACT_TEST_OPTIONS": json.dumps(options)}
    with subprocess.Popen(
        [find_node(), str(built / "events.test.js")],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Client(process)
        finally:
            process.kill()


def test_changes_and_results_as_they_happen(built: Path) -> None:
    env.storage.users.set("u0", {"name": "Zoe", "age": 1})
    with serve() as server, following(built, server.url) as client:
        client.tell("subscribe", table="users", where={"age__gte": 18}, old=True)
        client.next("open")
        client.tell("live", "b", args={"age": 20})
        assert client.next("result")["result"] == []
        env.storage.users.set("u1", {"name": "Ann", "age": 20})
        said = [client.next(), client.next()]
        assert {one["on"] for one in said} >= {"insert", "result"}, said
        env.storage.users.update("u1", {"name": "Bob"})
        assert client.next("update")["old"]["name"] == "Ann"
        env.storage.users.update("u1", {"age": 2})
        assert "data" not in client.next("delete")


def test_a_killed_server_is_followed_on(built: Path) -> None:
    with serve() as server, following(built, server.url) as client:
        client.tell("subscribe", table="users")
        client.next("open")
        env.storage.users.set("u1", {"name": "Ann"})
        assert client.next("insert")["id"] == "u1"
        client.tell("live", "b", args={"age": 20})
        client.next("result")
        server.kill()
        lost = [client.next("lost") for _ in range(2)]
        assert {(one["name"], one["code"]) for one in lost} == {("a", "network_error"), ("b", "network_error")}
        for number in range(2, 50):
            env.storage.users.set(f"u{number}", {"name": "Ann"})
        server.start()
        assert {client.next()["on"] for _ in range(2)} == {"open"}
        found = [client.next("insert")["id"] for _ in range(2, 50)]
        assert found == [f"u{number}" for number in range(2, 50)]
        assert client.is_quiet()


def test_connections_that_are_cut(built: Path) -> None:
    with serve() as server, Cutting(server.port, 0.3).running() as proxy, following(built, proxy.url) as client:
        client.tell("subscribe", table="users")
        client.next("open")
        client.tell("live", "b", args={})
        for number in range(200):
            env.storage.users.set(f"u{number:03}", {"name": "Ann"})
            time.sleep(0.01)
        inserted: list[str] = []
        results: list[Any] = []
        while len(inserted) < 200 or len(results[-1]) < 200:
            said = client.next()
            if said["on"] == "insert":
                inserted.append(said["id"])
            elif said["on"] == "result":
                results.append(said["result"])
        assert inserted == [f"u{number:03}" for number in range(200)]
        assert sorted(one["id"] for one in results[-1]) == inserted
        assert proxy.cuts > 3


def test_what_the_server_refuses_leaves_the_others(built: Path) -> None:
    with serve() as server, following(built, server.url) as client:
        client.tell("subscribe", "good", table="users")
        client.next("open")
        client.tell("subscribe", "bad", table="nothing")
        client.tell("one", "one", id="u1")
        said = {one["name"]: one for one in [client.next("error"), client.next("error")]}
        assert said["bad"]["code"] == "table_not_found"
        assert said["one"]["isTyped"] is True
        env.storage.users.set("u1", {"name": "Ann"})
        said = {one["name"]: one for one in [client.next("insert"), client.next("result")]}
        assert said["good"]["id"] == "u1"
        assert said["one"]["result"] == {"name": "Ann"}


def test_later_subscriptions_catch_up_without_repetition(built: Path) -> None:
    written = [env.storage.users.set(f"u{number}", {"name": "Ann"}) for number in range(5)]
    with serve() as server, following(built, server.url) as client:
        client.tell("subscribe", "now", table="users")
        client.next("open")
        client.tell("subscribe", "then", table="users", after=written[1].txid)
        assert [client.next("insert")["id"] for _ in range(3)] == ["u2", "u3", "u4"]
        env.storage.users.set("u5", {"name": "Ann"})
        said = [client.next("insert") for _ in range(2)]
        assert [(one["name"], one["id"]) for one in said] == [("now", "u5"), ("then", "u5")]
        client.tell("close", "now")
        client.next("closed")
        env.storage.users.set("u6", {"name": "Ann"})
        assert client.next("insert")["name"] == "then"
        assert client.is_quiet()
        assert count(server)["open"] == 1


def test_an_expired_token_is_renewed_on_the_way(built: Path) -> None:
    with serve(AUTH={"access_seconds": 2.0, "leeway_seconds": 0.0}) as server, following(built, server.url) as client:
        client.tell("sign")
        owner = client.next("signed")["id"]
        client.tell("subscribe", table="private")
        client.next("open")
        for number in range(6):
            with calling(CallContext(owner=owner)):
                env.storage.private.set(f"p{number}", {"n": number})
            assert client.next("insert")["id"] == f"p{number}"
            time.sleep(0.5)
        assert count(server)["opened"] > 1


def test_a_store(built: Path) -> None:
    env.storage.users.set("u1", {"name": "Ann"})
    with serve() as server, following(built, server.url) as client:
        client.tell("store")
        assert next_snapshot(client) == (None, False)
        assert next_snapshot(client) == (None, True)
        assert next_snapshot(client) == ([{"id": "u1", "name": "Ann"}], True)
        env.storage.users.update("u1", {"name": "Bob"})
        assert next_snapshot(client) == ([{"id": "u1", "name": "Bob"}], True)
        server.kill()
        assert next_snapshot(client) == ([{"id": "u1", "name": "Bob"}], False)


def next_snapshot(client: Client) -> tuple[Any, bool]:
    said = client.next("snapshot")
    return said["data"], said["isLive"]


def test_javascript_through_the_encrypted_channel(built: Path, tmp_path: Path) -> None:
    channel = make_channel(policy="required")
    shutil.copytree(built, tmp_path / "built")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    with override_settings(KONTRACT={"TABLES": TABLES, "EVENTS": {}, "RAYSTREAM": channel}):
        (tmp_path / "built" / "client.js").write_text(javascript.render(build_manifest(registry)), encoding="utf-8")
    with serve(RAYSTREAM=channel) as server, Cutting(server.port, 0.3).running() as proxy:
        with following(tmp_path / "built", proxy.url) as client:
            client.tell("subscribe", table="users")
            client.next("open")
            for number in range(30):
                env.storage.users.set(f"u{number:02}", {"name": "Ann"})
                time.sleep(0.02)
            assert [client.next("insert")["id"] for _ in range(30)] == [f"u{number:02}" for number in range(30)]
            client.tell("live", "b", args={})
            assert len(client.next("result")["result"]) == 30
        with following(tmp_path / "built", server.url, raystream=False) as client:
            client.tell("subscribe", table="users")
            assert client.next("error")["code"] == "raystream_required"


def test_a_hook_of_react(built: Path, tmp_path: Path) -> None:
    """Run the guide's hook in a component."""
    install_packages()
    directory = tmp_path / "react"
    directory.mkdir()
    (directory / "package.json").write_text('{"type": "module"}')
    (directory / "node_modules").symlink_to(PACKAGES)
    shutil.copy(built / "client.js", directory)
    shutil.copy(HERE / "react.test.js", directory)
    hook = next(block.text for block in blocks("docs/typescript.md", "js") if "react" in block.text)
    (directory / "useLive.js").write_text(hook)
    for number, age in enumerate([1, 2, 2], 1):
        env.storage.users.set(f"u{number}", {"age": age})
    with serve() as server:
        run(find_node(), "--test", "react.test.js", cwd=directory, KONTRACT_TEST_SERVER=server.url)


def count(server: Server) -> dict[str, int]:
    """Return how many streams were opened, and are open."""
    found: dict[str, int] = httpx.get(f"{server.url}/counts").json()
    return found


# --- Tabs of a browser -----------------------------------------------------------------------------------------------

SUBSCRIBE = """void (window.seen = [], window.opened = false, api.subscribe("users", {
  onInsert: ({ id }) => window.seen.push(id),
  onOpen: () => (window.opened = true),
}))"""
FOLLOW = "void api.live(api.liveUsers, {}, (users) => (window.users = users.length))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser.start() as browser:
        yield browser


def go(page: Page, server: Server) -> Page:
    page.goto(f"{server.url}/")
    page.wait_for("!!window.api")
    return page


def begin(page: Page) -> None:
    """Follow the table and a live query."""
    page.evaluate(SUBSCRIBE)
    page.evaluate(FOLLOW)
    page.wait_for("window.opened && window.users !== undefined", 10)


def test_tabs_share_one_stream_which_survives_the_tab_that_holds_it(built: Path, browser: Browser) -> None:
    with serve(built) as server, browser.open() as page:
        go(page, server).evaluate("api.auth.anonymous()")
        with browser.open_beside(page) as leader:
            begin(go(leader, server))
            begin(page)
            for number in range(20):
                env.storage.users.set(f"u{number:02}", {"name": "Ann"})
            for tab in (page, leader):
                tab.wait_for("window.seen.length === 20 && window.users === 20", 10)
            assert count(server)["open"] == 1
            writer = Thread(target=write_slowly, args=(get_namespace(), range(20, 60)))
            writer.start()
            time.sleep(0.2)
        writer.join()
        page.wait_for("window.seen.length >= 60 && window.users === 60", 10)
        assert page.evaluate("window.seen") == [f"u{number:02}" for number in range(60)]
        assert count(server)["open"] == 1


def write_slowly(name: str, numbers: range) -> None:
    with kontract.namespace(name):
        for number in numbers:
            env.storage.users.set(f"u{number:02}", {"name": "Ann"})
            time.sleep(0.02)
    connections.close_all()


def test_different_sign_ins_share_nothing(built: Path, browser: Browser) -> None:
    with serve(built) as server, browser.open() as page, browser.open_beside(page) as other:
        owners = []
        for tab in (page, other):
            go(tab, server).evaluate("void api.configure({ auth: { storage: 'memory' } })")
            owners.append(tab.evaluate("api.auth.anonymous()")["id"])
            tab.evaluate(SUBSCRIBE.replace('"users"', '"private"'))
            tab.wait_for("window.opened", 10)
        for owner in owners:
            with calling(CallContext(owner=owner)):
                env.storage.private.set(f"of {owner}", {})
        for tab, owner in zip((page, other), owners, strict=True):
            tab.wait_for("window.seen.length > 0", 10)
            assert tab.evaluate("window.seen") == [f"of {owner}"]
        assert count(server)["open"] == 2


def test_who_signs_in_anew_begins_anew(built: Path, browser: Browser) -> None:
    with serve(built) as server, browser.open() as page:
        first = go(page, server).evaluate("api.auth.anonymous()")["id"]
        page.evaluate("void (window.resets = 0)")
        page.evaluate(SUBSCRIBE.replace('"users"', '"private"').replace("onOpen", "onReset: () => resets++, onOpen"))
        page.wait_for("window.opened", 10)
        page.evaluate("api.auth.logout().then(() => api.auth.anonymous())")
        second = page.evaluate("api.auth.principal.id")
        page.wait_for("window.resets === 1", 10)
        for owner in (first, second):
            with calling(CallContext(owner=owner)):
                env.storage.private.set(f"of {owner}", {})
        page.wait_for("window.seen.length > 0", 10)
        assert page.evaluate("window.seen") == [f"of {second}"]
