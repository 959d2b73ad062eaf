"""Generated Python clients that sign in, against a real server: both kinds do the same."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from pytest_django import DjangoDbBlocker

from kontract.client import AuthOptions, File, KontractProblem, MemoryStorage
from tests.docs import blocks
from tests.generated import imported, write_client
from tests.integration.auth.people import PASSWORD
from tests.integration.auth.server import serve

ADA = {"email": "ada@example.com", "password": PASSWORD}
AUTOMATIC = AuthOptions(anonymous="auto")


@pytest.fixture(scope="module")
def url(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Where the server is."""
    with django_db_blocker.unblock(), serve(session_cache_seconds=0.1) as found:
        yield found


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The generated module."""
    with imported(write_client(tmp_path_factory.mktemp("client"))) as module:
        yield module


class Blocking:
    """An asynchronous client and what it has, called as if it waited."""

    def __init__(self, target: Any, runner: asyncio.Runner) -> None:
        self.target, self._runner = target, runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.target, name)
        if name in ("auth", "options"):
            return Blocking(found, self._runner) if name == "auth" else self._derive
        return self._wrap(found) if callable(found) else found

    def _derive(self, **changes: Any) -> "Blocking":
        return Blocking(self.target.options(**changes), self._runner)

    def _wrap(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await method(*args, **kwargs)

        return lambda *args, **kwargs: self._runner.run(call(*args, **kwargs))

    def at_once(self, times: int, call: Callable[[Any], Any]) -> list[Any]:
        """Make a call so many times at once."""

        async def run() -> list[Any]:
            return await asyncio.gather(*(call(self.target) for _ in range(times)), return_exceptions=True)

        return self._runner.run(run())


class Threaded:
    """A client that waits, with the same way to make many calls at once."""

    def __init__(self, target: Any) -> None:
        self.target = target

    def __getattr__(self, name: str) -> Any:
        return getattr(self.target, name)

    def at_once(self, times: int, call: Callable[[Any], Any]) -> list[Any]:
        """Make a call so many times at once."""
        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(lambda _: call(self.target), range(times)))


Make = Callable[..., Any]


@pytest.fixture(params=["Client", "AsyncClient"])
def make(request: pytest.FixtureRequest, api: Any, url: str) -> Iterator[Make]:
    """Make clients of one of the two kinds."""
    made: list[Any] = []
    with asyncio.Runner() as runner:

        def build(**options: Any) -> Any:
            client = getattr(api, request.param)(f"{url}/kontract/", **options)
            made.append(Threaded(client) if request.param == "Client" else Blocking(client, runner))
            return made[-1]

        yield build
        for client in made:
            client.close()


def read_counts(url: str) -> dict[str, int]:
    found: dict[str, int] = httpx.get(f"{url}/counts").json()
    return found


def counted(url: str, run: Callable[[], Any]) -> dict[str, int]:
    """Return how many requests of each kind came to the server meanwhile."""
    before = read_counts(url)
    run()
    after = read_counts(url)
    return {name: number - before.get(name, 0) for name, number in after.items() if number > before.get(name, 0)}


def void_tokens(url: str, client: Any) -> None:
    """Have the server refuse the access tokens that the client may have."""
    assert httpx.post(f"{url}/void/{client.auth.principal.id}").json() == 1


def test_a_visitor_becomes_a_user_and_keeps_the_id(make: Make) -> None:
    client = make()
    assert client.auth.me() is None
    visitor = client.auth.anonymous()
    assert visitor.is_anonymous
    linked = client.auth.link({"email": f"{visitor.id}@example.com", "password": PASSWORD})
    assert (linked.id, linked.is_anonymous) == (visitor.id, False)
    assert client.auth.me() == linked == client.auth.principal
    [session] = client.auth.sessions()
    assert session.is_current
    other = make()
    assert other.auth.login({"email": linked.email, "password": PASSWORD}).id == visitor.id
    assert client.auth.logout("others") == 1
    assert client.auth.logout() == 1
    assert client.auth.principal is None
    assert client.auth.me() is None
    assert client.auth.logout() == 0


def test_declared_errors_are_classes(make: Make, api: Any) -> None:
    client = make()
    client.auth.anonymous()
    with pytest.raises(api.AlreadySignedInError):
        client.auth.register(ADA)
    with pytest.raises(api.InvalidCredentialsError):
        client.auth.login({"email": "nobody@example.com", "password": PASSWORD})
    assert client.auth.principal.is_anonymous, "what failed has changed nothing"


def test_the_first_call_makes_a_principal_where_that_is_wished(make: Make, url: str) -> None:
    client = make(auth=AUTOMATIC)
    assert client.auth.me() is None, "asking who one is makes nobody"
    found: list[Any] = []
    seen = counted(url, lambda: found.extend(client.at_once(20, lambda c: c.who_am_i())))
    assert seen["auth_anonymous"] == 1
    assert {who["owner"] for who in found} == {client.auth.principal.id}


def test_twenty_calls_that_are_refused_cost_one_refresh(make: Make, url: str) -> None:
    client = make()
    client.auth.anonymous()
    void_tokens(url, client)
    found: list[Any] = []
    seen = counted(url, lambda: found.extend(client.at_once(20, lambda c: c.who_am_i())))
    assert seen["auth_refresh"] == 1
    assert 20 < seen["who_am_i"] <= 40
    assert not [failure for failure in found if isinstance(failure, Exception)]


def test_a_token_is_renewed_before_it_expires(make: Make, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make()
    client.auth.anonymous()
    late = time.monotonic() + 571  # of 600 seconds
    monkeypatch.setattr("kontract.client.auth_state.time.monotonic", lambda: late)
    seen = counted(url, lambda: client.at_once(20, lambda c: c.who_am_i()))
    assert (seen["auth_refresh"], seen["who_am_i"]) == (1, 20)


def test_copies_with_other_options_share_who_calls(make: Make, url: str) -> None:
    client = make()
    client.options(retries=0).auth.anonymous()
    assert client.auth.principal.is_anonymous
    trial = client.options(idempotent=True, dry_run=True)
    assert counted(url, lambda: trial.auth.refresh())["auth_refresh"] == 1


def test_a_token_of_ones_own_goes_instead(make: Make, url: str) -> None:
    signed = make()
    signed.auth.anonymous()
    client = make(token=signed.auth.token(), auth=AUTOMATIC)
    assert "auth_anonymous" not in counted(url, lambda: client.who_am_i())
    assert make(token="nonsense").at_once(1, _fails_with_401) == [True]


def _fails_with_401(client: Any) -> Any:
    if not asyncio.iscoroutinefunction(client.who_am_i):
        with pytest.raises(KontractProblem, match="invalid_token"):
            client.who_am_i()
        return True

    async def run() -> bool:
        with pytest.raises(KontractProblem, match="invalid_token"):
            await client.who_am_i()
        return True

    return run()


def test_who_has_been_signed_out_elsewhere_is_told_once(make: Make, url: str) -> None:
    client, other = make(auth=AUTOMATIC), make()
    visitor = client.auth.anonymous()
    credentials = {"email": f"{visitor.id}@example.com", "password": PASSWORD}
    client.auth.link(credentials)
    other.auth.login(credentials)
    other.auth.logout("all")
    time.sleep(0.15)  # what the server's process knows of the session
    assert client.at_once(5, _fails_with_401) == [True] * 5
    assert not client.auth.principal
    assert client.who_am_i()["owner"] not in ("", visitor.id), "what follows is somebody new's"


def test_a_storage_of_ones_own_outlives_the_client(make: Make, tmp_path: Path) -> None:
    class FileStorage:
        def __init__(self, path: Path) -> None:
            self._path = path

        def load(self) -> str | None:
            return self._path.read_text() if self._path.exists() else None

        def save(self, token: str) -> None:
            self._path.write_text(token)

        def clear(self) -> None:
            self._path.unlink(missing_ok=True)

    storage = FileStorage(tmp_path / "token")
    visitor = make(auth=AuthOptions(storage=storage)).auth.anonymous()
    again = make(auth=AuthOptions(storage=storage, anonymous="auto"))
    assert again.auth.me() == visitor
    assert again.auth.logout() == 1
    assert storage.load() is None


def test_a_stolen_refresh_token_ends_the_session(make: Make, url: str) -> None:
    storage = MemoryStorage()
    client = make(auth=AuthOptions(storage=storage))
    client.auth.anonymous()
    stolen = storage.load()
    assert stolen is not None
    client.auth.refresh()
    client.auth.refresh()
    thief = MemoryStorage()
    thief.save(stolen)
    assert make(auth=AuthOptions(storage=thief)).auth.me() is None
    time.sleep(0.15)
    with pytest.raises(KontractProblem, match="invalid_token"):
        client.who_am_i()
    assert storage.load() is None


def test_what_cannot_be_sent_again_is_not(make: Make, url: str, tmp_path: Path) -> None:
    client = make()
    client.auth.anonymous()
    void_tokens(url, client)
    (tmp_path / "photo").write_bytes(b"photo")
    with (tmp_path / "photo").open("rb") as photo, pytest.raises(KontractProblem, match="invalid_token"):
        client.zoo_upload(File(photo), title="")
    client.who_am_i()
    assert client.zoo_upload(b"photo", title="")[0].size == 5


def test_a_renewal_comes_to_its_end_though_the_caller_is_cancelled(api: Any, url: str) -> None:
    async def run() -> None:
        storage = MemoryStorage()
        async with api.AsyncClient(f"{url}/kontract/", auth=AuthOptions(storage=storage)) as client:
            await client.auth.anonymous()
            before = storage.load()
            renewing = asyncio.create_task(client.auth.refresh())
            while not client._renewals:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            renewing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await renewing
            [renewal] = client._renewals
            await renewal
            assert storage.load() not in (before, None)

    asyncio.run(run())


def test_the_guide_runs(api: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zoo_client", api)
    found = list(blocks("docs/clients.md", "py"))
    assert len(found) == 2
    names: dict[str, Any] = {}
    for block in found:
        text = block.text.replace("https://example.org", url)
        exec(compile("\n" * block.line + text, "docs/clients.md", "exec"), names)  # noqa: S102 - our own guide
