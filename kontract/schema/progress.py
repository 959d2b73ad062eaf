"""What long work says of itself: a bar on a terminal, a line now and then elsewhere."""

import time
from typing import Any, Final

_WIDTH: Final = 30  # characters of the bar
_PAUSE: Final = {True: 0.1, False: 5.0}  # seconds between two reports, by whether it is a terminal


class Progress:
    """Reports how much of something is done, and when it will be."""

    def __init__(self, out: Any, what: str, total: int) -> None:
        self.out = out
        self.what = what
        self.total = total
        self.is_terminal = bool(out is not None and getattr(out, "isatty", lambda: False)())
        self.began = self.told = time.monotonic()
        self.first: int | None = None

    def tell(self, done: int) -> None:
        """Say that ``done`` of all are done, unless that was said just now."""
        now = time.monotonic()
        if self.first is None:
            self.first = done
        if self.out is not None and now - self.told >= _PAUSE[self.is_terminal]:
            self.told = now
            self._write(f"{self._bar(done)} {done:,} of {self.total:,}{self._estimate(done, now)}")

    def finish(self, done: int) -> None:
        """Say that it is over."""
        if self.out is not None:
            self._write(f"{self.what}: {done:,} in {time.monotonic() - self.began:.1f} s", last=True)

    def _bar(self, done: int) -> str:
        if not self.is_terminal:
            return f"{self.what}:"
        filled = _WIDTH * min(done, self.total) // max(self.total, 1)
        return f"{self.what} [{'#' * filled}{'.' * (_WIDTH - filled)}]"

    def _estimate(self, done: int, now: float) -> str:
        made = done - (self.first or 0)
        if made <= 0 or done >= self.total:
            return ""
        return f", about {(now - self.began) / made * (self.total - done):.0f} s left"

    def _write(self, text: str, *, last: bool = False) -> None:
        if self.is_terminal:
            self.out.write(f"\r{text}\033[K", ending="\n" if last else "")
            self.out.flush()
        else:
            self.out.write(text)
