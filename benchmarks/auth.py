"""``python -m benchmarks.auth``: what signing in costs: each call that is signed in, and the others during a flood.

The first part sends the same calls with and without an access token, in turns, through Django's whole handler in one
process.  The second serves the procedures by uvicorn, one process, and times calls at a fixed rate while attempts to
sign in arrive: from a few addresses, whose limits hold them back, and from ever new ones, so that only the gate in
front of hashing does.  Between these phases come two that show what bounds them on this machine, whose clients have the
same processors as the server: as many calls that are answered 404, and a program that does nothing but hash.  Others'
programs can be kept out of it by ``nice -n -15``.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from hashlib import pbkdf2_hmac
from itertools import count
from statistics import median, quantiles
from typing import Any

from benchmarks.calls import make_request
from benchmarks.endpoints.work import SENT
from benchmarks.measure import Effort, compare, ratio

COST_LIMIT = 1.15  # of an anonymous call, for one that is signed in
FLOOD_LIMIT = 2.0  # of the p99 without a flood
RATE = 40  # timed calls a second
ATTEMPTS = 60  # to sign in, a second: about thirty times as many as one process can hash
PASSWORD = "analytical engine"
FEW = 16  # addresses, each of which may try 30 times a minute
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "no storage": ("place_order", SENT),
    "one document": ("read_note", {"note_id": "n"}),
}


def configure(name: str = "") -> None:
    """Set Django up on the benchmark's server, in the database ``name``."""
    import django
    from django.conf import settings

    from kontract import embedded

    database = embedded.database_from_env(embedded_folder()) | {"CONN_MAX_AGE": None}
    settings.configure(
        SECRET_KEY="no secret at all: this key guards nothing but a benchmark",
        ALLOWED_HOSTS=["localhost", "127.0.0.1"],
        USE_TZ=True,
        ROOT_URLCONF="benchmarks.signing.urls",
        INSTALLED_APPS=["kontract", "kontract.auth", "benchmarks.endpoints", "benchmarks.signing"],
        MIDDLEWARE=["kontract.middleware.AuthMiddleware"],
        DATABASES={"default": database | ({"NAME": name} if name else {})},
        KONTRACT={"TABLES": ["notes"], "TRUSTED_PROXIES": 1},
    )
    django.setup()


def embedded_folder() -> Any:
    """Return where the embedded server of the benchmarks keeps its data."""
    from pathlib import Path

    return Path(__file__).resolve().parent.parent / ".pg" / "bench"


# --- What a call costs that is signed in -----------------------------------------------------------------------------


class Calls:
    """One call by each kind of caller, through one handler."""

    def __init__(self, call: tuple[str, dict[str, Any]], tokens: dict[str, str], *, is_async: bool) -> None:
        from django.core.handlers.base import BaseHandler

        self._call, self._tokens, self._is_async = call, tokens, is_async
        self._handler = BaseHandler()
        self._handler.load_middleware(is_async=is_async)
        self._loop = asyncio.new_event_loop()

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        """Return the answering of a new request."""
        procedure, sent = self._call
        suffix = "_async" if self._is_async and procedure == "place_order" else ""
        request = make_request(f"/kontract/rpc/{procedure}{suffix}", json.dumps({"kwargs": sent}).encode())
        if token := self._tokens[name]:
            request.META["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        if not self._is_async:
            return lambda: self._handler.get_response(request)
        return lambda: self._loop.run_until_complete(self._handler.get_response_async(request))

    def verify(self, name: str, step: int, result: Any) -> None:
        """Check the answer.  Raises ``SystemExit``."""
        if result.status_code != 200:
            sys.exit(f"{name} was answered {result.status_code}: {result.content!r}")


def measure_cost(rounds: int) -> dict[str, str]:
    """Print and return the ratios of calls that are signed in to those that nobody makes."""
    from kontract import env
    from kontract.auth.principals import Device, register
    from kontract.auth.providers import Account, get_provider

    env.storage.notes.set("n", {"text": "x" * 100})
    signed = register(Account(email="ada@example.com"), get_provider("password"), Device())
    tokens = {"nobody": "", "signed in": signed.access_token}
    found = {}
    for title, call in CALLS.items():
        for kind, is_async in {"sync": False, "async": True}.items():
            if is_async and title == "one document":
                continue  # it is a plain function
            times = compare(Calls(call, tokens, is_async=is_async), list(tokens), Effort(rounds=rounds, repeats=50))
            cost = ratio(times, "signed in", "nobody")
            verdict = "kept" if cost.median <= COST_LIMIT else "MISSED"
            found[f"{title}, {kind}"] = f"{cost}, target {COST_LIMIT}: {verdict}"
            print(f"a call that is signed in, {title}, {kind}: {found[f'{title}, {kind}']}")
    return found


# --- A flood of attempts ---------------------------------------------------------------------------------------------


@contextmanager
def server(name: str) -> Iterator[str]:
    """Serve the procedures, and yield the URL under which they are called."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", "--port", str(port), "--lifespan", "off"]
    environment = {**os.environ, "BENCHMARK_DATABASE": name}
    quiet = ["--log-level", "critical", "benchmarks.auth:application"]
    process = subprocess.Popen([*command, *quiet], env=environment)
    url = f"http://127.0.0.1:{port}/kontract/rpc/"
    try:
        for _ in range(200):
            try:
                post(url, "place_order", SENT)
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def application() -> Any:
    """Return the ASGI application that the server serves."""
    configure(os.environ["BENCHMARK_DATABASE"])
    from django.core.asgi import get_asgi_application

    return get_asgi_application()


def post(url: str, name: str, kwargs: dict[str, Any], address: str = "192.0.2.1") -> int:
    """Make a call from an address, and return the status."""
    headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
    request = urllib.request.Request(url + name, json.dumps({"kwargs": kwargs}).encode(), headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            response.read()
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@contextmanager
def hashing(url: str, threads: int) -> Iterator[dict[int, int]]:
    """Have a process beside the server hash, one password after another, which yields as the server's threads do."""
    process = multiprocessing.get_context("spawn").Process(target=hash_on, daemon=True)
    process.start()
    time.sleep(2)
    try:
        yield {}
    finally:
        process.terminate()
        process.join(20)


def hash_on() -> None:
    """Hash until somebody ends it, as long at a time as Django does by default."""
    os.nice(10)
    while True:
        pbkdf2_hmac("sha256", b"guess", b"salt", 1_000_000)


@contextmanager
def flood(url: str, threads: int, *, name: str, addresses: int) -> Iterator[dict[int, int]]:
    """Call ``name`` with credentials ``ATTEMPTS`` times a second, and count the answers by status.

    They are a process of their own that yields to the others, as if they were elsewhere.
    """
    statuses: dict[int, int] = {}
    context = multiprocessing.get_context("spawn")
    is_over, answers = context.Event(), context.SimpleQueue()
    process = context.Process(target=attack, args=(url, name, addresses, threads, is_over, answers), daemon=True)
    process.start()
    answers.get()  # it has begun
    time.sleep(2)
    try:
        yield statuses
    finally:
        is_over.set()
        statuses |= answers.get()
        process.join(20)


def attack(url: str, name: str, addresses: int, threads: int, is_over: Any, answers: Any) -> None:
    """Be the clients of a flood."""
    os.nice(19)
    numbers, statuses, begun = count(), Counter[int](), time.perf_counter()

    def guess() -> None:
        while not is_over.is_set():
            n = next(numbers)
            time.sleep(max(0.0, begun + n / ATTEMPTS - time.perf_counter()))
            credentials = {"email": "ada@example.com", "password": f"guess {n}"}
            place = n % addresses
            address = f"10.{place >> 16 & 255}.{place >> 8 & 255}.{place & 255}"
            statuses[post(url, name, {"credentials": credentials}, address)] += 1

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(threads):
            pool.submit(guess)
        answers.put(None)
    answers.put(dict(statuses))


def time_calls(url: str, seconds: float) -> float:
    """Return the p99 of calls at a fixed rate, each timed from when it was due."""
    times, begun = [], time.perf_counter()

    def call(due: float) -> None:
        time.sleep(max(0.0, due - time.perf_counter()))
        if post(url, "place_order", SENT) != 200:
            sys.exit("A call failed.")
        times.append(time.perf_counter() - due)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(call, (begun + n / RATE for n in range(int(seconds * RATE)))))
    return quantiles(times, n=100)[98]


FLOODS: dict[str, Callable[[str, int], AbstractContextManager[dict[int, int]]]] = {
    f"{ATTEMPTS} calls a second that are answered 404": partial(flood, name="nothing_such", addresses=1 << 24),
    "no calls, but a program beside the server that hashes": hashing,
    f"{ATTEMPTS} attempts a second from {FEW} addresses": partial(flood, name="auth_login", addresses=FEW),
    f"{ATTEMPTS} attempts a second from ever new addresses": partial(flood, name="auth_login", addresses=1 << 24),
}


def measure_flood(name: str, rounds: int, seconds: float, threads: int) -> None:
    """Print by how much a flood slows other calls, and by how much as many calls of nothing do."""
    with server(name) as url:
        post(url, "auth_register", {"credentials": {"email": "ada@example.com", "password": PASSWORD}})
        time_calls(url, 2)
        quotients: dict[str, list[float]] = {title: [] for title in FLOODS}
        for _ in range(rounds):
            calm = time_calls(url, seconds)
            for title, begin in FLOODS.items():
                with begin(url, threads) as statuses:
                    flooded = time_calls(url, seconds)
                quotients[title].append(flooded / calm)
                print(f"p99 calm {calm * 1000:.1f} ms, {title} {flooded * 1000:.1f} ms; answers {dict(statuses)}")
    for title, found in quotients.items():
        verdict = "kept" if median(found) <= FLOOD_LIMIT else "MISSED"
        print(
            f"p99 of other calls during {title}: {median(found):.2f} times the calm one "
            f"(of {len(found)} rounds, {min(found):.2f} to {max(found):.2f}), target {FLOOD_LIMIT}: {verdict}"
        )


def main() -> None:
    """Measure and print; a missed target is no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.auth", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30, help="rounds of 50 calls of each caller (default: 30)")
    parser.add_argument("--flood-rounds", type=int, default=5, help="rounds of a calm and flooded phases (default: 5)")
    parser.add_argument("--seconds", type=float, default=10, help="length of a phase (default: 10)")
    parser.add_argument("--threads", type=int, default=24, help="clients that attack (default: 24)")
    options = parser.parse_args()
    configure()
    from benchmarks.signing.database import own_database

    with own_database() as name:
        measure_cost(options.rounds)
        measure_flood(name, options.flood_rounds, options.seconds, options.threads)


if __name__ == "__main__":
    main()
