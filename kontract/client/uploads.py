"""Files that go with a call."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True, slots=True)
class File:
    """A file to send: ``File(b"...")``, ``File(path.open("rb"), "photo.png")``, ``File.read(path)``."""

    content: bytes | IO[bytes]
    name: str = "file"
    content_type: str = "application/octet-stream"

    @classmethod
    def read(cls, path: Path, content_type: str = "application/octet-stream") -> "File":
        """Return the file at ``path``, read now."""
        return cls(path.read_bytes(), path.name, content_type)

    @property
    def is_repeatable(self) -> bool:
        """Whether it can be sent again."""
        return isinstance(self.content, bytes)


def build_parts(files: Mapping[str, list[File]], kwargs: bytes) -> list[tuple[str, Any]]:
    """Return the parts of a multipart/form-data body, as httpx takes them."""
    parts: list[tuple[str, Any]] = [("kwargs", (None, kwargs, "application/json"))]
    for name, several in files.items():
        parts += [(name, (file.name, file.content, file.content_type)) for file in several]
    return parts
