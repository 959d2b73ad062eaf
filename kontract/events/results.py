"""The live queries of one stream, and what was sent of them."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from django.http import HttpRequest

from kontract.context import Identity
from kontract.events.live import Key, Question, SharedLive, Version, get_lives
from kontract.events.wire import encode


@dataclass(slots=True)
class _Following:
    """A live query of this stream, and what was sent of it: the last version, and the last that was a result."""

    key: Key
    live: SharedLive
    wake: Callable[[], None]
    sent: int | None = None
    result: int | None = None
    digest: str | None = None


class Results:
    """Follows ``questions``, by the names that the client has given them."""

    def __init__(self, questions: Mapping[str, Question], request: HttpRequest, wake: Callable[[], None]) -> None:
        """``wake`` is called when there may be something to tell."""
        self._questions = questions
        self._request = request
        self._wake = wake
        self._following: dict[str, _Following] = {}

    async def follow(self, identity: Identity) -> None:
        """Follow everything as who the caller is now, in the current namespace."""
        for name, question in self._questions.items():
            before = self._following.get(name)
            if before is not None and before.key == question.make_key(identity, self._request):
                continue
            wake = partial(self._wake)  # of its own: two live queries may be the same
            key, live = await get_lives().follow(question, self._request, identity, wake)
            self._unfollow(name)
            digest = question.known if before is None else before.digest
            self._following[name] = _Following(key, live, wake, digest=digest)

    def leave(self) -> None:
        """End what follow() began."""
        for name in list(self._following):
            self._unfollow(name)

    def _unfollow(self, name: str) -> None:
        if (following := self._following.pop(name, None)) is not None:
            get_lives().leave(following.key, following.wake)

    def tell(self) -> Iterator[bytes]:
        """Yield the events of what is new."""
        for name, following in self._following.items():
            version = following.live.version
            if version is not None and version.number != following.sent:
                yield encode("live", _tell(name, following, version))
                following.sent = version.number
                if version.is_result:
                    following.result, following.digest = version.number, version.digest


def _tell(name: str, following: _Following, version: Version) -> str:
    """Return what is sent of a version: whatever is the shortest."""
    head = json.dumps({"sub": name, "txid": version.txid})[:-1]
    if not version.is_result:
        return f'{head},"problem":{version.text.decode()}}}'
    head = f'{head},"digest":"{version.digest}"'
    if following.digest == version.digest:
        return f'{head},"same":true}}'
    if version.patch is not None and version.base == following.result:
        return f'{head},"patch":{version.patch.decode()}}}'
    return f'{head},"result":{version.text.decode()}}}'
