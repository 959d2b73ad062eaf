"""The page about raystream: its program runs, and its numbers are those of the code."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kontract.raystream import frames, limits
from kontract.raystream.answers import Data
from kontract.raystream.envelope import MAX_HEAD_BYTES, MAX_HEADERS
from kontract.raystream.keys import StaticKey
from kontract.raystream.state import SessionState
from tests.docs import ROOT, blocks

from .peers import WRAPPING_KEY

PAGE = "docs/raystream.md"
CURRENT, NEXT = StaticKey.generate(not_after=1e12), StaticKey.generate(not_after=1e12)


class Rows:
    """The store that the page's server wants."""

    def __init__(self) -> None:
        self.states: dict[bytes, SessionState] = {}

    def load(self, sid: bytes) -> SessionState | None:
        return self.states.get(sid)

    def store(self, state: SessionState) -> None:
        self.states[state.sid] = state

    @contextmanager
    def lock(self, sid: bytes) -> Iterator[SessionState | None]:
        yield self.states.get(sid)


def run_page() -> dict[str, Any]:
    """Run every program of the page, in its order, and return what it defines."""
    names: dict[str, Any] = {
        "CURRENT_PUBLIC_KEY": CURRENT.public,
        "NEXT_PUBLIC_KEY": NEXT.public,
        "CURRENT_SECRET_KEY": CURRENT.private_bytes(),
        "NEXT_SECRET_KEY": NEXT.private_bytes(),
        "WRAPPING_KEY": WRAPPING_KEY,
        "NEXT_YEAR": 1e12,
        "YEAR_AFTER": 1e12,
    }
    for block in blocks(PAGE, "python"):
        exec(compile("\n" * block.line + block.text, PAGE, "exec"), names)  # noqa: S102
    return names


def test_the_programs_of_the_page_speak_with_each_other() -> None:
    names, rows = run_page(), Rows()
    sent: list[bytes] = []

    def send(data: bytes) -> bytes:
        sent.append(data)
        answer: bytes = names["answer"](data, rows, now=now)
        return answer

    for now in (0, 1, 250, 251, 600):  # a new session, the same, resumed, the same, a new one
        _, *data, _ = names["call"](send, now)
        assert data == [Data(b'/kontract/rpc/add: {"args": [1, 2]}')]
    kinds = [frames.unpack_header(data)[0] for data in sent]
    assert kinds == [1, 0x10, 0x10, 3, 0x10, 0x10, 1, 0x10]
    assert names["answer"](sent[-1], rows, 600) == frames.RESET


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    text = re.sub(r"\s+", " ", (ROOT / PAGE).read_text())
    for said, value in (
        ("idle 300, absolute 3600, 2^20 requests", (300, 3600, 2**20)),
        ("frames of 16 MiB, chunks of 64 KiB", (16 * 2**20, 64 * 2**10)),
    ):
        assert said in text
        assert set(value) <= set(limits.Limits().values())
    assert f"A session lives {limits.PENDING_SECONDS} seconds until its first request" in text
    assert f"it has {limits.DRAINING_SECONDS} seconds to finish" in text
    assert f"a head over {MAX_HEAD_BYTES // 1024} KiB, over {MAX_HEADERS} headers" in text
    assert "begins with 28 bytes" in text
    assert len(frames.RESET) == frames.HEADER_BYTES == 28
