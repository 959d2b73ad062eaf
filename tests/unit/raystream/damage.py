"""Ways to damage a message."""

from collections.abc import Iterator

from kontract.raystream.frames import HEADER_BYTES


def flips(data: bytes) -> Iterator[bytes]:
    """Yield the data with each of its bytes changed, one at a time: one bit of it, and all of them."""
    for at, byte in enumerate(data):
        for mask in (1 << at % 8, 0xFF):
            yield data[:at] + bytes([byte ^ mask]) + data[at + 1 :]


def truncations(data: bytes) -> Iterator[bytes]:
    """Yield every proper prefix of the data."""
    return (data[:end] for end in range(len(data)))


def kinds(data: bytes) -> dict[str, bytes]:
    """Return the data damaged in each of the ways that have a name."""
    body = data[HEADER_BYTES:]
    return {
        "nothing": b"",
        "half a header": data[:14],
        "only a header": data[:HEADER_BYTES],
        "cut off": data[:-1],
        "too long": data + b"\0",
        "twice": data + data,
        "another version": b"\2" + data[1:],
        "an unknown type": data[:1] + b"\x55" + data[2:],
        "a type of the server": data[:1] + b"\2" + data[2:],
        "reset": data[:1] + b"\x7f" + data[2:],
        "the other suite": data[:2] + bytes([3 - data[2]]) + data[3:],
        "a reserved suite": data[:2] + b"\3" + data[3:],
        "a flag": data[:3] + b"\1" + data[4:],
        "another session": data[:4] + b"\x5a" * 16 + data[20:],
        "no session, or one": data[:4] + (bytes(16) if any(data[4:20]) else b"\1" * 16) + data[20:],
        "another number": data[:27] + bytes([data[27] ^ 1]) + data[28:],
        "a huge number": data[:20] + b"\xff" * 8 + data[28:],
        "another body": data[:HEADER_BYTES] + bytes(len(body)),
        "another first byte": data[:HEADER_BYTES] + bytes([body[0] ^ 1]) + body[1:],
        "another middle": data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
        "another tag": data[:-1] + bytes([data[-1] ^ 128]),
        "backwards": data[::-1],
        "text": b'{"args": []}' * 20,
    }
