"""What clients have to know of the encrypted channel before they first connect."""

import base64
import time
from dataclasses import dataclass

from kontract.conf import get_settings
from kontract.raystream.keys import StaticKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEntry:
    """The service's name, its public keys in base64, the current one first, and the ids of the suites by preference.

    There may be no key that is still good.
    """

    audience: str
    keys: tuple[str, ...]
    suites: tuple[int, ...]


def describe_channel() -> ChannelEntry | None:
    """Return what the settings say; None where there is no channel."""
    options = get_settings().RAYSTREAM
    if options is None:
        return None
    good = [StaticKey.from_bytes(key.secret, key.not_after) for key in options.keys if key.not_after > time.time()]
    keys = tuple(base64.b64encode(key.public).decode() for key in good)
    return ChannelEntry(audience=options.audience, keys=keys, suites=options.suites)
