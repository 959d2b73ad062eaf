"""The runtime of generated Python clients, without a server."""

import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from kontract.client import KontractProblem, Options, Procedure, TruncatedStream, UnexpectedResponse
from kontract.client.downloads import read_filename
from kontract.client.retries import read_retry_after, wait_after_failure, wait_after_problem
from kontract.client.streaming import Reader


class Sold(KontractProblem):
    members = {"left": ("left", int), "at": ("at", datetime)}


def problem(status: int, code: str = "x", retry_after: float | None = 1.0) -> KontractProblem:
    return KontractProblem({"code": code}, status=status, retry_after=retry_after)


@pytest.mark.parametrize(
    ("failure", "repeatable", "single"),
    [
        (problem(429), 1.0, 1.0),
        (problem(429, retry_after=None), None, None),
        (problem(429, retry_after=61.0), None, None),
        (problem(503, "clock_timeout"), 1.0, 1.0),
        (problem(503, "database_unavailable"), 1.0, None),
        (problem(409, "idempotency_in_progress"), 1.0, 1.0),
        (problem(409, "conflict"), None, None),
        (problem(500), None, None),
    ],
)
def test_what_is_tried_again(failure: KontractProblem, repeatable: float | None, single: float | None) -> None:
    assert wait_after_problem(failure, is_repeatable=True) == repeatable
    assert wait_after_problem(failure, is_repeatable=False) == single


def test_waiting_grows_and_differs() -> None:
    assert wait_after_failure(0, is_repeatable=False) is None
    for attempt in range(5):
        waits = {wait_after_failure(attempt, is_repeatable=True) for _ in range(20)}
        assert len(waits) > 1
        assert all(wait is not None and 0.1 * 2**attempt <= wait <= 0.2 * 2**attempt for wait in waits)


def test_retry_after_is_seconds_or_a_date() -> None:
    assert read_retry_after({"Retry-After": " 12 "}) == 12.0
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    found = read_retry_after({"Retry-After": soon})
    assert found is not None
    assert 25 < found <= 30
    assert read_retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert [read_retry_after({"Retry-After": text}) for text in ("", "-1", "soon", "²")] == [None] * 4
    assert read_retry_after({}) is None


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (None, None),
        ("inline", None),
        ('attachment; filename="a b.txt"', "a b.txt"),
        ("attachment; filename*=UTF-8''%C3%A4%20b.txt", "ä b.txt"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\temp\\\\x.txt"', "x.txt"),
        ('attachment; filename=".."', None),
    ],
)
def test_a_files_name_leads_nowhere(disposition: str | None, name: str | None) -> None:
    assert read_filename(disposition) == name


def test_a_declared_error_is_read_by_its_code() -> None:
    document = {"code": "sold", "left": 3, "at": "2024-01-01T00:00:00Z", "detail": "Gone."}
    error: Any = KontractProblem.read(document, 409, None, {"sold": Sold})
    assert (type(error), error.left, error.at, str(error)) == (
        Sold,
        3,
        datetime(2024, 1, 1, tzinfo=UTC),
        "409 sold: Gone.",
    )
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - as a pool of processes does
    assert (type(again), again.left, str(again)) == (Sold, 3, str(error))
    assert type(KontractProblem.read({"code": "other"}, 409, None, {"sold": Sold})) is KontractProblem
    with pytest.raises(ValidationError):
        KontractProblem.read({"code": "sold", "left": "many"}, 409, None, {"sold": Sold})
    nonsense: Any
    for nonsense in ([], {}, {"code": 1}, None):
        with pytest.raises(ValueError, match="no problem document"):
            KontractProblem.read(nonsense, 500, None, {})


def test_a_stream_is_read_however_it_is_cut() -> None:
    text = '{"item":"ä\u2028"}\n\n{"item":"b"}\n{"done":true}\n'.encode()
    for size in (1, 2, 7, len(text)):
        reader: Reader[str] = Reader(Procedure(name="p", result=str, is_stream=True))
        parts = [text[start : start + size] for start in range(0, len(text), size)]
        assert [item for part in parts for item in reader.feed(part)] == ["ä\u2028", "b"]
        reader.close()


@pytest.mark.parametrize("line", ['{"item":1}', "{}", "[]", "x", '{"problem":{}}', '{"problem":{"status":1}}'])
def test_a_line_that_is_not_understood(line: str) -> None:
    reader: Reader[str] = Reader(Procedure(name="p", result=str, is_stream=True))
    with pytest.raises(UnexpectedResponse):
        reader.feed(f"{line}\n".encode())


def test_a_stream_has_to_say_that_it_is_complete() -> None:
    reader: Reader[int] = Reader(Procedure(name="p", result=int, is_stream=True))
    assert reader.feed(b'{"item":1}\n{"done":false}\n{"done":true}') == [1]
    with pytest.raises(TruncatedStream, match="The stream p ended before it was complete"):
        reader.close()


def test_an_answer_of_another_shape_is_not_believed() -> None:
    procedure: Procedure[int] = Procedure(name="p", result=int)
    for text in ("{}", '{"result":"x"}', "<html>", "[]"):
        with pytest.raises(UnexpectedResponse, match="Generate the client anew"):
            procedure.read_result(httpx.Response(200, text=text), None)


def test_headers_of_options() -> None:
    options = Options(idempotent=True, headers={"X": "y"})
    first, second = (options.build_headers(is_read_only=False, is_stream=False) for _ in range(2))
    assert first["X"] == "y"
    assert first["Idempotency-Key"] != second["Idempotency-Key"]
    assert "Idempotency-Key" not in options.build_headers(is_read_only=True, is_stream=False)
    assert "Idempotency-Key" not in options.build_headers(is_read_only=False, is_stream=True)
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    assert Options(as_of=moment).build_headers(is_read_only=True, is_stream=False) == {
        "Kontract-As-Of": "2024-01-01T00:00:00+00:00"
    }


def test_it_needs_no_django() -> None:
    program = (
        "import sys, kontract.client; print(*(m for m in sys.modules if m.split('.')[0] in ('django', 'psycopg')))"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "\n", "")
