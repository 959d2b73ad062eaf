"""``python -m benchmarks.raystream``: what the encrypted channel costs, on one core, next to the bare primitives.

Times of one machine say little about another, so each line ends with a ratio: how many times as long as the bare
cryptography takes, measured in turns with it.  What counts is processor time, so that neighbours disturb less.
"""

from collections.abc import Callable, Iterator
from statistics import median
from time import process_time

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from kontract.raystream.answers import Data
from kontract.raystream.client import Call, Client, Step
from kontract.raystream.envelope import RequestHead, ResponseHead
from kontract.raystream.frames import Init, Request
from kontract.raystream.framing import Lengths
from kontract.raystream.keys import KeyRing, Pins, StaticKey
from kontract.raystream.server import Accepted, Admitted, Server
from kontract.raystream.state import SessionState
from kontract.raystream.suites import KEY_BYTES, SUITES, Suite

Work = Callable[[], object]

ROUNDS = 15
SECONDS = 0.02  # of each contender in each round
KIB = 1024
CHUNK = 64 * KIB
STREAMED = 64  # chunks in a stream
TARGET_HANDSHAKES = 2000  # a second
TARGET_RATE = 0.5  # of the bare cipher's
HEAD = RequestHead(method="POST", path="/rpc/x")


class Peers:
    """A client and a server that speak one suite, and the row that a database would hold."""

    def __init__(self, suite: Suite) -> None:
        key = StaticKey.generate(not_after=2)
        self.suite = suite
        self.pins = Pins(audience="benchmark", keys=(key.public,))
        self.server = Server(KeyRing("benchmark", [key]), bytes(KEY_BYTES))
        self.renew()

    def renew(self) -> None:
        """Begin another session."""
        self.client = Client(self.pins, suite=self.suite)
        self.row = self.shake()

    def shake(self) -> SessionState:
        """Make a handshake and return the server's new session."""
        accepted = self.accept(self.client.start())
        self.client.receive(accepted.frame, now=1)
        return accepted.state

    def accept(self, opening: bytes) -> Accepted:
        """Do the server's half of a handshake."""
        message = self.server.parse(opening)
        assert isinstance(message, Init)
        return self.server.accept(message, now=1)

    def call(self, body: bytes) -> Call:
        """Seal a request, in a new session where the old one has no number left."""
        if self.client.next_step(now=1) is not Step.REQUEST:
            self.renew()
        return self.client.request(HEAD, body, now=1)

    def admit(self, frame: bytes) -> Admitted:
        """Open a request, and move the row on."""
        message = self.server.parse(frame)
        assert isinstance(message, Request)
        admitted = self.server.open(message, self.row).admit(self.row, now=1)
        self.row = admitted.state
        return admitted


def compare(ours: Work, bare: Work) -> tuple[float, float]:
    """Return the seconds that one of ours takes, and how many times as long as a bare one: medians of rounds."""
    repeats = [max(1, round(SECONDS / max(_time(work, 3), 1e-7))) for work in (ours, bare)]
    rounds = [(_time(ours, repeats[0]), _time(bare, repeats[1])) for _ in range(ROUNDS)]
    return median(a for a, _ in rounds), median(a / b for a, b in rounds)


def _time(work: Work, repeats: int) -> float:
    start = process_time()
    for _ in range(repeats):
        work()
    return (process_time() - start) / repeats


def diffie_hellman(times: int) -> Work:
    """Return what only multiplies: each half of a handshake makes a key and uses it twice."""
    theirs = X25519PrivateKey.generate().public_key().public_bytes_raw()

    def work() -> None:
        for _ in range(times):
            mine = X25519PrivateKey.generate()
            mine.public_key()
            for _ in range(2):
                mine.exchange(X25519PublicKey.from_public_bytes(theirs))

    return work


def measure_handshakes(peers: Peers) -> None:
    """Print how many handshakes a second one core makes."""
    opening = peers.client.start()
    peers.renew()
    for name, ours, halves in (
        ("client and server", peers.shake, 2),
        ("server half", lambda: peers.accept(opening), 1),
    ):
        seconds, ratio = compare(ours, diffie_hellman(halves))
        _report(peers, f"handshake, {name}", seconds, ratio, "X25519 alone", 1 / seconds, TARGET_HANDSHAKES)


def measure_small(peers: Peers) -> None:
    """Print what sealing and opening 1 KB costs: a request, and its answer."""
    peers.renew()
    body, cipher, nonce, header = bytes(KIB), peers.suite.aead(bytes(KEY_BYTES)), bytes(12), bytes(28)
    sealed = cipher.encrypt(nonce, body, header)
    seconds, ratio = compare(lambda: peers.call(body), lambda: cipher.encrypt(nonce, body, header))
    _report(peers, "seal a request of 1 KB", seconds, ratio, "the cipher alone")

    def exchange() -> None:
        call = peers.call(body)
        wire = peers.admit(call.frame).answer(Lengths).whole(ResponseHead(status=200), body)
        call.open(Lengths).feed(wire)

    def bare() -> None:
        for _ in range(2):
            cipher.encrypt(nonce, body, header)
            cipher.decrypt(nonce, sealed, header)

    seconds, ratio = compare(exchange, bare)
    _report(peers, "a call of 1 KB and its answer, both ends", seconds, ratio, "the cipher alone")


def measure_stream(peers: Peers) -> None:
    """Print how fast 64 KB chunks are sealed and opened."""
    peers.renew()
    data, cipher, nonce, header = bytes(CHUNK), peers.suite.aead(bytes(KEY_BYTES)), bytes(12), bytes(29)
    call = peers.call(b"")
    admitted = peers.admit(call.frame)

    def stream() -> Iterator[bytes]:
        sealer = admitted.answer(Lengths)
        yield sealer.start(ResponseHead(status=200))
        for _ in range(STREAMED):
            yield sealer.send(data)
        yield sealer.end()

    def seal() -> None:
        for _ in stream():
            pass

    wire = list(stream())
    sealed = cipher.encrypt(nonce, data, header)

    def bare(operation: Callable[[bytes, bytes, bytes], bytes], data: bytes) -> Work:
        def work() -> None:
            for _ in range(STREAMED):
                operation(nonce, data, header)

        return work

    assert _open(call, wire) == STREAMED * CHUNK
    _report_rate(peers, "seal", *compare(seal, bare(cipher.encrypt, data)))
    _report_rate(peers, "open", *compare(lambda: _open(call, wire), bare(cipher.decrypt, sealed)))


def _open(call: Call, wire: list[bytes]) -> int:
    """Open a whole stream and return how many bytes it brought."""
    opener = call.open(Lengths)
    size = sum(len(event.data) for part in wire for event in opener.feed(part) if isinstance(event, Data))
    opener.close()
    return size


def _report_rate(peers: Peers, verb: str, seconds: float, ratio: float) -> None:
    rate = STREAMED * CHUNK / seconds / 1e6
    verdict = "met" if 1 / ratio >= TARGET_RATE else "missed"
    print(
        f"{peers.suite.name:<11} {verb + ' a stream of 64 KB chunks':<42} {rate:9.0f} MB/s    "
        f"{1 / ratio:5.2f} of the bare cipher's rate (target {TARGET_RATE}: {verdict})"
    )


def _report(
    peers: Peers, what: str, seconds: float, ratio: float, base: str, rate: float = 0, target: float = 0
) -> None:
    verdict = f"; {rate:,.0f}/s (target {target:,.0f}: {'met' if rate >= target else 'missed'})" if target else ""
    print(f"{peers.suite.name:<11} {what:<42} {seconds * 1e6:9.1f} us      {ratio:5.2f} times {base}{verdict}")


def main() -> None:
    """Measure every suite; a missed target is no failure."""
    for suite in SUITES.values():
        peers = Peers(suite)
        measure_handshakes(peers)
        measure_small(peers)
        measure_stream(peers)


if __name__ == "__main__":
    main()
