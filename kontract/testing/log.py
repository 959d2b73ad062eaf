"""The exceptions behind failed calls, which clients do not get to see but tests should."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Witness(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[tuple[Any, BaseException]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.seen.append((getattr(record, "request", None), record.exc_info[1]))

    def find_cause(self, response: Any) -> BaseException | None:
        """Return why the server failed to answer with anything better than ``response``, if it did."""
        request = getattr(response, "wsgi_request", None) or getattr(response, "asgi_request", None)
        return next((error for origin, error in self.seen if origin is request), None)


@contextmanager
def watched() -> Iterator[_Witness]:
    """Watch the log of calls within the block."""
    logger, witness = logging.getLogger("kontract.rpc"), _Witness()
    logger.addHandler(witness)
    try:
        yield witness
    finally:
        logger.removeHandler(witness)
