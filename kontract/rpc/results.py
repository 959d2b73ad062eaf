"""What a procedure may return besides a plain value: control of the response, and files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResp(Generic[T]):
    """A result with a status and headers of its own: ``-> HttpResp[User]`` and ``return HttpResp(user, status=201)``.

    ``status`` is a successful one, from 200 to 299; failures are errors, see ``kontract.CallError``.
    """

    result: T = field(kw_only=False)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file as the result: ``-> Download``.

    ``content`` is its bytes, its path, or an open binary file, which is closed when it is sent.  ``filename`` is what
    the browser calls it (None: it shows it).  ``content_type`` is guessed from the name where it is None.
    """

    content: bytes | Path | BinaryIO = field(kw_only=False)
    filename: str | None = None
    content_type: str | None = None
