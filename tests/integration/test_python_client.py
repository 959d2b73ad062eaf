"""The generated Python client against a real server."""

import asyncio
import io
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from pytest_django import DjangoDbBlocker

import kontract.client
from kontract.client import Answer, File, KontractProblem, Options, TruncatedStream, UnexpectedResponse
from tests.docs import blocks, is_of
from tests.generated import imported, write_client, zoo_procedures
from tests.zoo.server import serve

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def url(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Where the server's procedures are."""
    with django_db_blocker.unblock(), serve() as found:
        yield found


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the generated client."""
    return write_client(tmp_path_factory.mktemp("client"), zoo_procedures(), name="zoo_client")


@pytest.fixture(scope="module")
def zoo(path: Path) -> Iterator[Any]:
    """The generated module."""
    with imported(path) as module:
        yield module


@pytest.fixture
def client(zoo: Any, url: str) -> Iterator[Any]:
    with zoo.Client(url) as client:
        yield client


@contextmanager
def flaky(*failures: Exception | int, retry_after: str = "0") -> Iterator[tuple[httpx.Client, list[httpx.Request]]]:
    """A connection on which the first requests fail: by not arriving, or by a status."""
    waiting, seen = list(failures), []

    class Transport(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(request)
            if not waiting:
                return super().handle_request(request)
            failure = waiting.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return httpx.Response(failure, headers={"Retry-After": retry_after}, json={"code": "clock_timeout"})

    with httpx.Client(transport=Transport()) as http:
        yield http, seen


def test_the_client_passes_the_strict_type_checker(path: Path, tmp_path: Path) -> None:
    """With nothing of kontract beside it but its runtime, as on a client's machine."""
    (tmp_path / "kontract").mkdir()
    for name in ("client", "raystream"):
        (tmp_path / "kontract" / name).symlink_to(Path(kontract.client.__file__).parents[1] / name)
    for name, text in (("use.py", USE), ("zoo_client.py", path.read_text()), ("kontract/__init__.py", "")):
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache" / "clients"), "."]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.stderr == ""
    errors = re.findall(r"(\w+)\.py:(\d+): error: .*\[(.*)\]$", run.stdout, re.MULTILINE)
    lines = enumerate(USE.splitlines(), 1)
    assert set(errors) == {("use", str(number), line.partition("  # ")[2]) for number, line in lines if "  # " in line}


USE = """\
from typing import assert_type
import zoo_client as zoo

client, aclient = zoo.Client("http://x"), zoo.AsyncClient("http://x")
assert_type(client.zoo_look(1), zoo.Cage | None)
assert_type(client.options(dry_run=True).zoo_put(1, zoo.Cat(name="Tom")), zoo.Cage)
assert_type([i for i in client.zoo_count(3)], list[int])
client.zoo_put(1, zoo.Cat(kind="dog", name="Tom"))  # arg-type
client.zoo_put("1", zoo.Cat(name="Tom"))  # arg-type
client.zoo_positional(1, 2, 3)  # call-arg
zoo.Words(function=True)  # call-arg

async def main() -> None:
    assert_type(await aclient.zoo_everything(), zoo.Everything)
    assert_type([pet async for pet in aclient.zoo_parade([])], list[zoo.Cat | zoo.Dog])
    try:
        await aclient.zoo_put(cage=1, pet=zoo.Dog(name="Rex", friends=[]))
    except zoo.CageOccupied as error:
        assert_type(error.by, zoo.Cat | zoo.Dog)
"""


def test_every_type_travels_both_ways(client: Any, zoo: Any) -> None:
    value = client.zoo_everything()
    assert (value.big, value.ratio, value.raw) == (2**63 + 1, 0.1, bytes(range(256)))
    assert value.text == "Grüße, \N{SNOWMAN} \N{GRINNING FACE} </script> \u2028"
    assert value.moment == datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC)
    assert value.span == timedelta(days=-1, seconds=3, microseconds=5)
    assert str(value.price) == "12345678901234567890.10"
    assert (value.colour, value.legs) == (zoo.Colour.DARK_GREEN, zoo.Legs.FOUR)
    assert (value.pair, value.unique, value.row[0]) == ((1, "one"), {3}, date(1, 1, 1))
    assert value.by_name == {"__proto__": Decimal("0.10")}
    assert value.anything == {"deep": [{"er": 2**70}]}
    assert value.pet == zoo.Dog(name="Rex", friends=[zoo.Cat(name="Tom", lives=9), zoo.Dog(name="Bo", friends=[])])
    assert value.keeper.nickname is None
    assert value.tree.children[1].children[0].value == 4
    assert client.zoo_echo(value) == value


def test_defaults_are_the_servers_unless_something_is_given(client: Any, zoo: Any) -> None:
    assert client.zoo_defaults(1) == {"plain": 1, "text": 'a "quote"', "colours": ["red"], "day": None}
    given = client.zoo_defaults(1, "", [zoo.Colour.DARK_GREEN], day=date(2024, 1, 2))
    assert given == {"plain": 1, "text": "", "colours": ["dark green"], "day": "2024-01-02"}
    assert client.zoo_pet(zoo.Cat(name="Tom")) == zoo.Cat(name="Tom", lives=9)
    assert client.zoo_tree(zoo.Node(value=1, children=[zoo.Node(value=2)])) == 3


def test_names_that_python_reserves(client: Any, zoo: Any) -> None:
    words = zoo.Words(class_="c", from_=1, function=False, a_b="d", list_=["e"])
    assert client.zoo_words(words, self_=1, await_=True, default="d") == words
    assert client.delete() == "deleted"
    assert client.zoo_aliased(zoo.Aliased(firstName="Ann")).firstName == "Ann"


def test_generic_types_any_and_nothing(client: Any, zoo: Any) -> None:
    page = client.zoo_pages(["Ann", "Bob"])
    assert (page.total, page.items[1].name, page.items[0].born) == (2, "Bob", date(2000, 1, 1))
    assert client.zoo_any([1, None, {"a": 0.5}], {zoo.Colour.RED: 1}) == [1, None, {"a": 0.5}]
    assert client.zoo_nothing() is None
    assert client.zoo_positional(1, third=3) == (1, 2, 3)


def test_versioned_models(client: Any, zoo: Any) -> None:
    journal = client.zoo_journal(zoo.Journal(title="Nature"))
    assert journal == zoo.Journal(id=journal.id, title="Nature")
    assert client.zoo_journal(journal) == journal


def test_what_is_no_argument_is_not_sent(client: Any, zoo: Any) -> None:
    with pytest.raises(ValidationError):
        client.zoo_look("cage")
    with pytest.raises(ValidationError):
        zoo.Cat(name="Tom", kind="dog")


def test_a_declared_error_has_its_fields(client: Any, zoo: Any) -> None:
    client.zoo_put(1, zoo.Cat(name="Tom"))
    with pytest.raises(zoo.CageOccupied) as caught:
        client.zoo_put(1, zoo.Dog(name="Rex"))
    error = caught.value
    assert (error.status, error.code, error.cage, error.by.name) == (409, "cage_occupied", 1, "Tom")
    assert error.since == datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC)
    assert str(error) == "409 cage_occupied: There is an animal in this cage already."


def test_any_other_problem_is_raised_too(client: Any, zoo: Any) -> None:
    with pytest.raises(KontractProblem) as caught:
        client.zoo_positional(1, 11, third=3)
    assert (caught.value.status, caught.value.code) == (422, "invalid_arguments")
    assert caught.value.problem["errors"][0]["path"] == ["second"]
    with pytest.raises(KontractProblem, match="authentication_required"):
        client.zoo_restricted()
    with pytest.raises(KontractProblem, match="internal_error"):
        client.zoo_fail("bug")
    with pytest.raises(zoo.ZooClosed):
        client.options(retries=0).zoo_fail("closed")


def test_what_answers_may_be_something_else(zoo: Any, url: str) -> None:
    with zoo.Client(url.replace("kontract", "elsewhere")) as client:
        with pytest.raises(UnexpectedResponse, match="Is the base URL where"):
            client.zoo_nothing()


def test_options(client: Any, zoo: Any) -> None:
    first, trial, past = Answer(), Answer(), Answer()
    client.options(answer=first).zoo_put(20, zoo.Cat(name="Tom"))
    assert first.status == 201
    assert first.headers["Location"] == "/cages/20"
    assert client.options(dry_run=True, answer=trial).zoo_put(21, zoo.Cat(name="Kit")).name == "Kit"
    assert trial.changes is not None
    assert [(c["table"], c["id"], c["op"]) for c in trial.changes] == [("zoo_cages", "21", "insert")]
    assert client.zoo_look(21) is None
    assert first.txid is not None
    assert client.options(as_of=first.txid - 1, answer=past).zoo_look(20) is None
    assert client.options(as_of=datetime.now(UTC)).zoo_look(20).name == "Tom"
    with pytest.raises(ValueError, match="no time zone"):
        client.options(as_of=datetime(2024, 1, 1)).zoo_look(20)


def test_an_idempotent_call_runs_once(client: Any, zoo: Any) -> None:
    answers, key = [Answer(), Answer()], uuid.uuid4().hex
    for answer in answers:
        assert client.options(idempotency_key=key, answer=answer).zoo_put(30, zoo.Cat(name="Tom")).name == "Tom"
    assert [answer.is_replayed for answer in answers] == [False, True]
    assert answers[0].txid == answers[1].txid


def test_streams(client: Any, zoo: Any) -> None:
    assert list(client.zoo_count(1000)) == list(range(1000))
    assert [pet.name for pet in client.zoo_parade(["a\u2028b", "c\nd", ""])] == ["a\u2028b", "c\nd", ""]
    stream = client.zoo_count(100, fail_at=2)
    assert [next(stream), next(stream)] == [0, 1]
    with pytest.raises(zoo.ZooClosed):
        next(stream)
    stream = client.zoo_parade(["a"] * 100, pause=1.0)
    assert next(stream).name == "a"
    stream.close()


def test_a_stream_that_breaks_off_is_no_whole_one(zoo: Any) -> None:
    answer = httpx.Response(200, text='{"item":1}\n{"item":2}\n{"ite')
    with httpx.Client(transport=httpx.MockTransport(lambda request: answer)) as http:
        stream = zoo.Client("http://x", http=http).zoo_count(5)
        assert [next(stream), next(stream)] == [1, 2]
        with pytest.raises(TruncatedStream):
            next(stream)


def test_files(client: Any, tmp_path: Path) -> None:
    photo, more = tmp_path / "ärger.png", io.BytesIO(b"more")
    photo.write_bytes(b"\x00photo")
    sent = client.zoo_upload(File.read(photo), "A photo", taken=date(2024, 1, 1), more=[File(more, "m"), b"x"])
    assert [(f.name, f.size) for f in sent] == [("ärger.png", 6), ("m", 4), ("file", 1)]
    with client.zoo_download(100_000, "a b.bin") as download:
        assert (download.filename, download.size) == ("a b.bin", 100_000)
        download.save(tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == client.zoo_download(100_000).read()


def test_a_call_is_made_again_where_that_is_safe(zoo: Any, url: str) -> None:
    lost = httpx.ReadError("The connection broke.")
    with flaky(lost, 503, 429) as (http, seen):
        client = zoo.Client(url, http=http, options=Options(retries=3))
        assert client.zoo_nothing() is None
        assert len(seen) == 4
    with flaky(lost) as (http, seen):
        with pytest.raises(httpx.ReadError):  # it may have run
            zoo.Client(url, http=http).zoo_put(40, zoo.Cat(name="Tom"))
        assert len(seen) == 1
    with flaky(lost, 503) as (http, seen):
        zoo.Client(url, http=http, options=Options(idempotent=True)).zoo_put(41, zoo.Cat(name="Tom"))
        assert len({request.headers["Idempotency-Key"] for request in seen}) == 1
    with flaky(503, 503, 503) as (http, seen):
        with pytest.raises(KontractProblem, match="clock_timeout"):
            zoo.Client(url, http=http).zoo_nothing()
        assert len(seen) == 3
    with flaky(503, retry_after="3600") as (http, seen):
        with pytest.raises(KontractProblem) as caught:
            zoo.Client(url, http=http).zoo_nothing()
        assert (len(seen), caught.value.retry_after) == (1, 3600.0)


def test_a_silent_server_times_out(zoo: Any, url: str) -> None:
    with zoo.Client(url, options=Options(timeout=0.1, retries=0)) as client:
        with pytest.raises(httpx.ReadTimeout):
            list(client.zoo_parade(["a", "b"], pause=1.0))


def test_who_calls_is_said_in_headers(zoo: Any) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"result": None})

    cookies = {"sessionid": "s", "csrftoken": "t"}
    with httpx.Client(transport=httpx.MockTransport(answer), cookies=cookies) as http:
        zoo.Client("https://example.org/kontract", http=http, token=lambda: "secret").zoo_nothing()
    headers = seen[0].headers
    assert (headers["Authorization"], headers["X-CSRFToken"]) == ("Bearer secret", "t")
    assert (headers["Referer"], headers["Cookie"]) == ("https://example.org/kontract/", "sessionid=s; csrftoken=t")
    assert seen[0].url == "https://example.org/kontract/rpc/zoo_nothing"


async def use_async_client(zoo: Any, url: str, tmp_path: Path) -> None:
    async with zoo.AsyncClient(url) as client:
        value = await client.zoo_everything()
        assert await client.zoo_echo(value) == value
        together = await asyncio.gather(*(client.zoo_pages([str(number)]) for number in range(10)))
        assert [page.items[0].name for page in together] == [str(number) for number in range(10)]
        assert [number async for number in client.zoo_count(100)] == list(range(100))
        with pytest.raises(zoo.ZooClosed):
            [number async for number in client.zoo_count(100, fail_at=1)]
        assert [f.size for f in await client.zoo_upload(b"abc", "A title")] == [3]
        async with await client.zoo_download(1000) as download:
            assert len(await download.read()) == 1000
            assert download.filename == "zoo.bin"
        assert b"".join([part async for part in await client.zoo_download(700)]) == (bytes(range(256)) * 3)[
            :512
        ] + bytes(188)
        with pytest.raises(KontractProblem, match="invalid_arguments"):
            await client.zoo_positional(1, 11, third=3)


def test_the_asynchronous_client(zoo: Any, url: str, tmp_path: Path) -> None:
    asyncio.run(use_async_client(zoo, url, tmp_path))


def test_the_asynchronous_client_tries_again(zoo: Any) -> None:
    answers = [
        httpx.Response(503, headers={"Retry-After": "0"}, json={"code": "x"}),
        httpx.Response(200, json={"result": 1}),
    ]

    async def use() -> int:
        async with httpx.AsyncClient(transport=httpx.MockTransport(lambda request: answers.pop(0))) as http:
            result: int = await zoo.AsyncClient("http://x", http=http).zoo_tree(zoo.Node(value=1))
            return result

    assert asyncio.run(use()) == 1


def test_the_guide_runs(zoo: Any, url: str) -> None:
    names: dict[str, Any] = {}
    for block in blocks("docs/clients.md", "python"):
        if not is_of(block, "zoo/backend.py"):
            text = block.text.replace("https://example.org/kontract/", url)
            exec(compile("\n" * block.line + text, "docs/clients.md", "exec"), names)  # noqa: S102 - our own guide
    names["client"].close()
