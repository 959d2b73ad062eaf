"""Hashing of passwords: Django's hashers, few at a time, and as long for those who do not exist.

A hash takes a processor for a third of a second, on purpose.  So it runs in a thread of a small pool, which yields to
all others, while the thread of the request waits; and where many wait already, the next one is refused at once.
"""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import lru_cache
from typing import Any, Final, TypeVar

from django.contrib.auth.hashers import check_password, get_hasher, identify_hasher, make_password
from django.contrib.auth.password_validation import get_password_validators, validate_password
from django.core.exceptions import ValidationError

from kontract.conf import get_settings
from kontract.exceptions import RateLimitedError

T = TypeVar("T")

_NICENESS: Final = 10  # of 19


class Gate:
    """So many that hash at once, and a bound on those who wait for it."""

    def __init__(self, running: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(running, thread_name_prefix="kontract-hash", initializer=_yield_to_others)
        self._places = threading.BoundedSemaphore(running + waiting)
        self._turns = threading.BoundedSemaphore(running)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the block's turn.  Raises ``RateLimitedError`` where too many wait already."""
        if not self._places.acquire(blocking=False):
            raise RateLimitedError("Too many are signing in. Try again in a second.", 1)
        try:
            with self._turns:
                yield
        finally:
            self._places.release()

    def check(self) -> None:
        """Raise ``RateLimitedError`` where too many wait already, before anything else is done for one more."""
        if not self._places.acquire(blocking=False):
            raise RateLimitedError("Too many are signing in. Try again in a second.", 1)
        self._places.release()

    def run(self, function: Callable[[], T]) -> T:
        """Return what ``function`` returns, which uses no database, in its turn."""
        with self.turn():
            return self._pool.submit(copy_context().run, function).result()


def _yield_to_others() -> None:
    """Let other threads go first, where the system tells threads apart (Linux)."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def get_gate() -> Gate:
    """Return the gate of this process, through which everything that hashes has to go."""
    options = get_settings().AUTH
    running = options.concurrent_hashes or max(1, (os.cpu_count() or 1) // 2)
    return _get_gate(os.getpid(), running, options.waiting_hashes)


@lru_cache(maxsize=4)
def _get_gate(pid: int, running: int, waiting: int) -> Gate:
    return Gate(running, waiting)


def is_password(password: str, encoded: str | None) -> bool:
    """Return whether ``encoded`` is of ``password``; it takes as long where it is of none, or None."""
    is_usable = bool(encoded)
    if len(password) > get_settings().AUTH.max_password_length:
        password, is_usable = "", False
    matches = get_gate().run(lambda: check_password(password, encoded or _get_dummy(get_hasher().algorithm)))
    return is_usable and matches


def is_dated(encoded: str) -> bool:
    """Return whether a password would be encoded otherwise today: by another hasher, or with more iterations."""
    preferred = get_hasher()
    return identify_hasher(encoded).algorithm != preferred.algorithm or preferred.must_update(encoded)


@lru_cache(maxsize=8)
def _get_dummy(algorithm: str) -> str:
    return make_password("nobody's password", hasher=algorithm)


def encode_password(password: str) -> str:
    """Return a password as it is kept."""
    return get_gate().run(lambda: make_password(password))


def validate(password: str, account: Any = None) -> None:
    """Raise Django's ``ValidationError`` unless ``password`` is good enough for ``account``."""
    options = get_settings().AUTH
    if len(password) > options.max_password_length:
        raise ValidationError({"password": [f"At most {options.max_password_length} characters."]})
    validators = get_password_validators([dict(validator) for validator in options.validators])
    try:
        validate_password(password, account, validators)
    except ValidationError as error:
        raise ValidationError({"password": error.messages}) from error
