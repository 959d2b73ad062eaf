"""What a contender can do: the same methods on each, so that a case is written once."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from benchmarks.documents import Data


class Contender(ABC):
    """One way to keep documents.  Numbers are those of the documents loaded first, from 1."""

    name: ClassVar[str]
    keeps_versions: ClassVar[bool] = True
    loads_in_bulk: ClassVar[bool] = True

    @abstractmethod
    def load(self, documents: Sequence[Data]) -> None:
        """Add many documents at once, the fastest way that the contender documents."""

    def hold(self, numbers: Iterable[int]) -> None:  # noqa: B027 - only some have anything to do
        """Read the documents that will be updated, where an update needs them in memory."""

    @abstractmethod
    def insert(self, data: Data) -> None:
        """Add one document."""

    @abstractmethod
    def update(self, number: int, data: Data) -> None:
        """Write a new version of one document; version and document in one transaction."""

    @abstractmethod
    def update_together(self, documents: Mapping[int, Data]) -> None:
        """Write a new version of each document, one after another, in one transaction."""

    @abstractmethod
    def get(self, number: int) -> Any:
        """Read one document."""

    @abstractmethod
    def find(self, name: str) -> Sequence[Any]:
        """Read the documents of this name, which no index helps to find."""

    @abstractmethod
    def first(self, count: int) -> Sequence[Any]:
        """Read the documents that were added first, in order."""

    def value(self, found: Any) -> int:
        """Return the age of a document that was read."""
        age: int = found.age
        return age

    @abstractmethod
    def count(self) -> int:
        """Return how many documents there are."""

    def moment(self) -> Any:
        """Return the present, for ``as_of``."""
        raise NotImplementedError

    def as_of(self, number: int, moment: Any) -> Any:
        """Read one document as it was."""
        raise NotImplementedError

    def position(self) -> int:
        """Return the end of the feed, for ``changes``."""
        raise NotImplementedError

    def changes(self, position: int, limit: int) -> list[int]:
        """Return the numbers of the documents that were changed after a position, in order."""
        raise NotImplementedError

    def versions(self, number: int) -> int:
        """Return how many versions one document has."""
        raise NotImplementedError

    def total_versions(self) -> int:
        """Return how many versions all documents have."""
        raise NotImplementedError
