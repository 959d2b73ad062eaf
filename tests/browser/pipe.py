"""The DevTools protocol: JSON messages that end with a NUL, in both directions through pipes.

See https://chromedevtools.github.io/devtools-protocol/.
"""

import json
import os
import select
import time
from collections.abc import Callable
from typing import Any

Listener = Callable[[str, dict[str, Any]], None]  # takes the name of an event, and what it says

TIMEOUT = 60.0  # seconds that the browser may take to answer; two cores may be shared by several tests


class ProtocolError(Exception):
    """The browser refused a command, or has ended."""


class Pipe:
    """Commands to the browser, and what it answers and reports.  For one thread."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._buffer = bytearray()
        self._last = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._listeners: dict[str, Listener] = {}

    def listen(self, session: str, listener: Listener) -> None:
        """Give ``listener`` what is reported in a session."""
        self._listeners[session] = listener

    def forget(self, session: str) -> None:
        """Report nothing of a session any more."""
        del self._listeners[session]

    def send(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """Send a command and return its result.  Raises ``ProtocolError``; ``TimeoutError`` after a minute."""
        self._last += 1
        number = self._last
        message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        self._write(json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + TIMEOUT
        while number not in self._answers:
            if (left := deadline - time.monotonic()) < 0:
                raise TimeoutError(f"The browser has not answered {method} in {TIMEOUT:g} seconds.")
            self.pump(left)
        answer = self._answers.pop(number)
        if (error := answer.get("error")) is not None:
            raise ProtocolError(f"{method}: {error['message']} {error.get('data', '')}")
        result: dict[str, Any] = answer["result"]
        return result

    def pump(self, seconds: float) -> None:
        """Take in what comes, waiting at most so long for the first of it."""
        if not select.select([self._reading], [], [], seconds)[0]:
            return
        if not (chunk := os.read(self._reading, 1 << 20)):
            raise ProtocolError("The browser has ended.")
        self._buffer += chunk
        *whole, rest = self._buffer.split(b"\0")
        self._buffer = bytearray(rest)
        for message in whole:
            self._take(json.loads(message))

    def close(self) -> None:
        """Close both ends, at which the browser ends."""
        os.close(self._reading)
        os.close(self._writing)

    def _write(self, message: bytes) -> None:
        while message:
            message = message[os.write(self._writing, message) :]

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
        elif (listener := self._listeners.get(message.get("sessionId", ""))) is not None:
            listener(message["method"], message["params"])
