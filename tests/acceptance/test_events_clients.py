"""Clients that follow tables and live queries of real servers, which crash, over connections that are cut."""

import json
import queue
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from pytest_django import DjangoDbBlocker

import kontract
from kontract import env, tables
from kontract.codegen import typescript
from kontract.codegen.manifest import build_manifest
from kontract.rpc.registry import registry
from tests.typescript.streams import TABLES, Cutting, serve
from tests.typescript.toolchain import HERE, compile_project, find_node

SECONDS = 15.0


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
        threading.Thread(target=self._listen, daemon=True).start()

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
        server.kill()
        for number in range(2, 50):
            env.storage.users.set(f"u{number}", {"name": "Ann"})
        server.start()
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
