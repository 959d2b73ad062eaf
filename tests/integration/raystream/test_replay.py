"""Of all processes together, one takes a frame, and once; whatever happens to the server in between."""

import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from django.core.management import call_command
from django.db import OperationalError, connections
from django.test import override_settings

import kontract
from kontract import embedded
from kontract.context import get_namespace
from kontract.embedded import watcher
from kontract.embedded.cluster import _find_programs
from kontract.raystream.frames import RESET
from tests.databases import database_alias
from tests.processes import Report, Worker

from .wire import MIDDLEWARE, Peer, Wire, open_answer, options


def is_reset(response: Any) -> bool:
    """Tell whether a response is the one for whatever is not authentic."""
    return (response.status_code, response.content) == (400, RESET)


def test_a_frame_is_taken_once_by_whichever_process(wire: Wire) -> None:
    peer, others = Peer(wire).connect(), [Wire(), Wire(is_async=True)]
    call = peer.seal_call("echo", 1)
    assert peer.send(call, others[0]).status == 200
    for again in (wire, *others, Wire()):
        assert is_reset(again.post(call.frame))
    assert peer.call("echo", 2).json == {"result": 2}


def test_processes_that_take_turns_admit_each_number_once_in_any_order(wire: Wire) -> None:
    peer, other = Peer(wire).connect(), Wire(is_async=not wire.is_async)
    calls = [peer.seal_call("echo", n) for n in range(12)]
    for position in (5, 0, 11, 3, 1, 10):
        call = calls[position]
        first, second = (wire, other) if position % 2 else (other, wire)
        assert peer.send(call, first).json == {"result": position}
        assert is_reset(second.post(call.frame))
    assert peer.send(calls[2], other).json == {"result": 2}


def test_a_request_asks_the_database_once_and_after_another_process_twice(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, other = Peer(wire).connect(), Wire(is_async=wire.is_async)
    for number in range(6):  # by then it is prepared, and each process knows the session
        assert peer.send(peer.seal_call("echo", number), (wire, other)[number % 2]).status == 200
    asked: list[str] = []
    execute = psycopg.Cursor.execute

    def record(cursor: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(query)
        return execute(cursor, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Cursor, "execute", record)
    for chosen, statements in ((wire, 2), (wire, 1), (wire, 1), (other, 2), (other, 1)):
        asked.clear()
        assert peer.send(peer.seal_call("echo", 1), chosen).status == 200
        assert [query[:16] for query in asked] == ["EXECUTE kontract"] * statements


def post_all(report: Report, frames: list[bytes]) -> None:
    """Post frames through a process of its own, several at once, and report which got which status."""
    namespace = get_namespace()
    with override_settings(MIDDLEWARE=[MIDDLEWARE]), ThreadPoolExecutor(4) as pool:
        wire = Wire()

        def post(number: int) -> tuple[int, int]:
            with kontract.namespace(namespace):
                return number, wire.post(frames[number]).status_code

        for result in pool.map(post, range(len(frames))):
            report(result)


def test_two_processes_that_get_the_same_frames_at_once_take_each_once() -> None:
    peer = Peer(Wire()).connect()
    frames = [peer.seal_call("echo", n).frame for n in range(25)]
    with Worker(post_all, frames * 2) as one, Worker(post_all, frames[::-1] + frames) as two:
        answers = [(number % 25, status) for number, status in one.finish()]
        order = [*range(24, -1, -1), *range(25)]
        answers += [(order[number], status) for number, status in two.finish()]
    assert Counter(status for _, status in answers) == {200: 25, 400: 75}
    assert sorted(number for number, status in answers if status == 200) == list(range(25))


def test_the_number_stays_used_when_the_call_fails(peer: Peer) -> None:
    call = peer.seal_call("create_user", "nobody")
    assert peer.send(call).status == 409
    assert is_reset(peer.wire.post(call.frame))


def test_a_resumption_is_taken_once(wire: Wire) -> None:
    peer, other = Peer(wire).connect(), Wire()
    open_call = peer.seal_call("echo", 0)
    peer.call("echo", 1)
    opening = peer.client.resume()
    accepted = other.post(opening)
    assert accepted.status_code == 200
    for again in (wire, other, Wire()):
        assert is_reset(again.post(opening))
    assert is_reset(wire.post(open_call.frame))  # the old session takes nothing any more
    peer.client.receive(accepted.content, time.time())
    assert peer.call("echo", 2).json == {"result": 2}


# --- The server ------------------------------------------------------------------------------------------------------


class Router:
    """Sends kontract's tables to a server of their own."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return self.alias if model._meta.app_label == "kontract" else None

    db_for_read = db_for_write


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """A server of our own.  Not in tmp_path: pytest closes that to the account the server of root runs as."""
    home = Path(tempfile.mkdtemp(prefix="kontract-"))
    yield home / "pg"
    watcher.stop(home / "pg" / "data")
    shutil.rmtree(home)


@pytest.fixture(params=[True, False], ids=["flushed", "unflushed"])
def own(request: pytest.FixtureRequest, cluster: Path, settings: Any) -> Iterator[str]:
    """The alias of a server of our own, where kontract's tables are."""
    settings.KONTRACT = {**settings.KONTRACT, "RAYSTREAM": options(flush=request.param)}
    with database_alias("own", **embedded.database(cluster)) as alias, kontract.namespace(""):
        call_command("kontract_migrate", database=alias, no_indexes=True, stdout=StringIO())
        settings.DATABASE_ROUTERS = [Router(alias)]
        yield alias


def start_over() -> tuple[Peer, Any]:
    """Return a client, and a call that the server has answered."""
    peer = Peer(Wire()).connect()
    call = peer.seal_call("echo", 1)
    assert peer.send(call).status == 200
    return peer, call


def all_refuse(peer: Peer, call: Any) -> bool:
    """Tell whether processes old and new refuse the call and the session."""
    connections["own"].close()
    frames = [call.frame, peer.seal_call("echo", 2).frame]
    return all(is_reset(wire.post(frame)) for wire in (peer.wire, Wire()) for frame in frames)


@pytest.mark.more_privilege  # a server of its own
def test_a_session_ends_when_the_server_is_started_anew(own: str, cluster: Path) -> None:
    peer, call = start_over()
    connections[own].close()
    watcher.stop(cluster / "data")
    embedded.database(cluster)
    assert all_refuse(peer, call)
    peer.client.drop()
    assert peer.connect().call("echo", 3).status == 200


@pytest.mark.more_privilege
def test_a_crash_takes_no_session_back(own: str, cluster: Path, settings: Any) -> None:
    peer, call = start_over()
    with connections[own].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = psutil.Process(cursor.fetchone()[0])
    backend.send_signal(signal.SIGKILL)  # the server goes on, and recovers from its log
    psutil.wait_procs([backend], timeout=20)
    connections[own].close()
    wait_for(own)
    if settings.KONTRACT["RAYSTREAM"]["flush"]:  # then its log has every number
        assert is_reset(peer.wire.post(call.frame))
        assert peer.call("echo", 2).status == 200
    else:
        assert all_refuse(peer, call)


def wait_for(alias: str) -> None:
    """Wait until the server takes connections again."""
    for _ in range(200):
        try:
            connections[alias].ensure_connection()
            return
        except OperationalError:
            time.sleep(0.05)
    raise AssertionError("the server does not recover")


@pytest.mark.own_tables
@pytest.mark.more_privilege
def test_a_table_that_is_restored_from_a_dump_has_no_sessions(own: str) -> None:
    peer = Peer(Wire()).connect()
    assert peer.call("echo", 1).status == 200
    with connections[own].cursor() as cursor:
        cursor.execute("CREATE TABLE dump AS SELECT * FROM storage")
        call = peer.seal_call("echo", 2)
        assert peer.send(call).status == 200
        cursor.execute("TRUNCATE storage; INSERT INTO storage SELECT * FROM dump; DROP TABLE dump")
    assert all_refuse(peer, call)


@pytest.mark.more_privilege
def test_a_copy_of_the_database_has_no_sessions(own: str, cluster: Path, settings: Any) -> None:
    peer = Peer(Wire()).connect()
    assert peer.call("echo", 1).status == 200
    connections[own].close()
    entry = embedded.database(cluster)
    with database_alias("admin", **{**entry, "NAME": "postgres"}) as admin, connections[admin].cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS copy")
        cursor.execute(f'CREATE DATABASE copy TEMPLATE "{entry["NAME"]}"')
    call = peer.seal_call("echo", 2)
    assert peer.send(call).status == 200
    with database_alias("copy", **{**entry, "NAME": "copy"}) as alias:
        settings.DATABASE_ROUTERS = [Router(alias)]
        for wire in (peer.wire, Wire()):
            assert is_reset(wire.post(call.frame))


@pytest.fixture
def standby(own: str, cluster: Path) -> Iterator[dict[str, Any]]:
    """The settings of a server that follows our own one."""
    data = cluster.parent / "standby" / "data"
    data.mkdir(parents=True)
    os.chown(data, (owner := (cluster / "data").stat()).st_uid, owner.st_gid)
    data.chmod(0o700)
    host = connections[own].settings_dict["HOST"]
    connect = ("--host", str(host), "--port", str(connections[own].settings_dict["PORT"]), "--username", "postgres")
    programs = _find_programs(cluster / "data")
    programs.run(
        "pg_basebackup", "--pgdata", data, "--write-recovery-conf", "--checkpoint=fast", "--no-sync", *connect, cwd=data
    )
    for copied in data.glob(".s.PGSQL.*"):  # the other's socket, if it is in its directory
        copied.unlink()
    yield embedded.database(data.parent)
    watcher.stop(data)
    shutil.rmtree(data.parent)


@pytest.mark.more_privilege
@pytest.mark.parametrize("own", [True], indirect=True)
def test_a_standby_that_takes_over_has_no_sessions(own: str, standby: dict[str, Any], settings: Any) -> None:
    peer, call = start_over()
    with connections[own].cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_flush_lsn()")
        (position,) = cursor.fetchone()
    with database_alias("standby", **standby) as alias, connections[alias].cursor() as cursor:
        for _ in range(200):
            cursor.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [position])
            if cursor.fetchone()[0]:
                break
            time.sleep(0.05)
        cursor.execute("SELECT data ->> 'hi' FROM storage WHERE ptr = 6 AND id = %s", [call.frame[4:20].hex()])
        assert cursor.fetchone() == ("0",), "the standby knows the session and its number"
        cursor.execute("SELECT pg_promote()")
        settings.DATABASE_ROUTERS = [Router(alias)]
        for frame in (call.frame, peer.seal_call("echo", 2).frame):
            assert all(is_reset(wire.post(frame)) for wire in (peer.wire, Wire()))
        peer.client.drop()
        assert peer.connect().call("echo", 3).status == 200


def test_a_process_that_remembers_more_than_the_row_believes_itself(peer: Peer) -> None:
    peer.call("echo", 1)
    call = peer.seal_call("echo", 2)
    sid = call.frame[4:20].hex()
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT data FROM storage WHERE ptr = 6 AND id = %s", [sid])
        (data,) = cursor.fetchone()
        assert peer.send(call).status == 200
        cursor.execute("UPDATE storage SET data = %s::jsonb WHERE ptr = 6 AND id = %s", [data, sid])
    assert is_reset(peer.wire.post(call.frame))


def test_answers_open_once(peer: Peer) -> None:
    call, other = peer.seal_call("echo", 1), peer.seal_call("echo", 2)
    response = peer.wire.post(call.frame)
    assert open_answer(call, response).json == {"result": 1}
    with pytest.raises(Exception, match="not authentic"):
        open_answer(other, response)
