"""The encrypted channel with real servers: processes that share nothing but the database."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from kontract.raystream.client import Client
from kontract.raystream.envelope import RequestHead
from kontract.raystream.frames import RESET
from kontract.raystream.framing import Lengths
from tests.integration.raystream.server import serve
from tests.integration.raystream.wire import PINS, options
from tests.unit.raystream.damage import kinds


@pytest.fixture
def servers(namespace: str, settings: Any) -> Iterator[list[str]]:
    """The channel's URLs of two server processes."""
    settings.KONTRACT = {**settings.KONTRACT, "RAYSTREAM": options()}
    with serve() as one, serve() as two:
        yield [f"http://127.0.0.1:{port}/kontract/_rs" for port in (one, two)]


def connect(url: str) -> Client:
    """Return a client in a session."""
    client = Client(PINS)
    client.receive(httpx.post(url, content=client.start()).content, time.monotonic())
    return client


def seal(client: Client, count: int) -> list[Any]:
    """Return sealed calls."""
    head = RequestHead(method="POST", path="/kontract/rpc/create_user", headers=(("content-type", "application/json"),))
    return [client.request(head, b'{"args": ["u%d"]}' % n, time.monotonic()) for n in range(count)]


def test_two_processes_take_parallel_and_repeated_frames_once_each(servers: list[str]) -> None:
    client = connect(servers[0])
    calls = seal(client, 40)
    tries = [(number, url) for number in range(40) for url in (*servers, *servers)]
    random.Random(1).shuffle(tries)
    with httpx.Client() as http, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda each: (each[0], http.post(each[1], content=calls[each[0]].frame)), tries))
        taken = [(number, answer.content) for number, answer in answers if answer.status_code == 200]
        assert sorted(number for number, _ in taken) == list(range(40))
        assert Counter(answer.content for _, answer in answers)[RESET] == 120
        for number, wire in taken:
            assert calls[number].open(Lengths).feed(wire)
        again = [http.post(url, content=call.frame) for call in calls for url in servers]
    assert {(answer.status_code, answer.content) for answer in again} == {(400, RESET)}


def test_a_process_that_begins_later_refuses_what_others_took(servers: list[str]) -> None:
    client = connect(servers[0])
    (call,) = seal(client, 1)
    assert httpx.post(servers[1], content=call.frame).status_code == 200
    with ExitStack() as stack:
        url = f"http://127.0.0.1:{stack.enter_context(serve())}/kontract/_rs"
        assert httpx.post(url, content=call.frame).content == RESET
        (other,) = seal(client, 1)
        assert httpx.post(url, content=other.frame).status_code == 200


def test_damage_gets_one_and_the_same_answer(servers: list[str]) -> None:
    client = connect(servers[0])
    (call,) = seal(client, 1)
    answers = set()
    with httpx.Client() as http:
        for url in servers:
            for data in (*kinds(call.frame).values(), *kinds(Client(PINS).start()).values()):
                answer = http.post(url, content=data)
                headers = {name: value for name, value in answer.headers.items() if name != "date"}
                answers.add((answer.status_code, answer.content, tuple(sorted(headers.items()))))
    assert len(answers) == 1
    assert next(iter(answers))[:2] == (400, RESET)
