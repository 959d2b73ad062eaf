"""What a client knows of the server's encrypted channel: written into the runtime, in TypeScript as in JavaScript."""

import json
from typing import Final

from kontract.codegen.channel import ChannelEntry
from kontract.exceptions import ConfigurationError

_PLACE: Final = '{ audience: "", keys: [], suites: [] }'  # in raystream_pins


def write_pins(runtime: str, channel: ChannelEntry | None) -> str:
    """Return the runtime with the channel's name, keys and suites.

    Raises ``ConfigurationError`` where no key is good any more.
    """
    if channel is None:
        return runtime
    if not channel.keys:
        raise ConfigurationError("All keys of raystream have reached their not_after. Make one: kontract_keys new.")
    keys = "".join(f"    {json.dumps(key)},\n" for key in channel.keys)
    audience, suites = json.dumps(channel.audience), ", ".join(map(str, channel.suites))
    return runtime.replace(_PLACE, f"{{\n  audience: {audience},\n  keys: [\n{keys}  ],\n  suites: [{suites}],\n}}")
