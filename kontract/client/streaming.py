"""Results that come one by one, as JSON Lines (https://jsonlines.org)."""

import json
from typing import Generic, TypeVar

from kontract.client.errors import KontractProblem, TruncatedStream, UnexpectedResponse
from kontract.client.procedure import Procedure

T = TypeVar("T")


class Reader(Generic[T]):
    """Turns the lines of a stream into items and knows when it is complete."""

    def __init__(self, procedure: Procedure[T]) -> None:
        self._procedure = procedure
        self._rest = b""
        self.is_done = False

    def feed(self, data: bytes) -> list[T]:
        """Return the items whose lines end in ``data``, the next bytes of the response.

        Raises ``UnexpectedResponse``, or the problem that the stream ended with.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")  # only these: texts may have other ends of lines in them
        return [item for line in lines for item in self._read(line)]

    def _read(self, line: bytes) -> list[T]:
        if not line.strip():
            return []
        if line.startswith(b'{"item":'):
            return [self._procedure.read_item(line)]
        try:
            last = json.loads(line)
            if "problem" in last:
                raise KontractProblem.read(last["problem"], last["problem"]["status"], None, self._procedure.errors)
            self.is_done = last["done"] is True
        except (ValueError, LookupError, TypeError) as error:
            raise UnexpectedResponse(f"A line of the stream {self._procedure.name} is not understood.") from error
        return []

    def close(self) -> None:
        """Raise ``TruncatedStream`` unless the stream said that it was complete."""
        if not self.is_done:
            raise TruncatedStream(f"The stream {self._procedure.name} ended before it was complete.")
