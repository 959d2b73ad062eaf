"""raystream: an authenticated, encrypted channel that holds even where TLS ends at a proxy.

This package is sans-I/O: it takes bytes and gives bytes, reads no clock, opens no connection, and knows no Django.

Theory of operation
-------------------

*Handshake* (``noise``, ``handshake``).  The client knows the server's static X25519 key beforehand and has none itself:
Noise NK.  Two messages, INIT and ACCEPT, one round trip.  Only who holds the static key can answer, and the session's
keys come from two ephemeral keys as well, so they cannot be found later by who steals the static key.  The prologue
holds whatever was negotiated in the clear; if somebody changes it on the way, the two sides hash different transcripts
and neither accepts the other.  A handshake proves nothing about the client: who it is says the token inside.

*Keys* (``schedule``).  From Noise's keys and its hash comes a master, from that by HKDF one secret a purpose, bound to
the session's id and suite: ``c2s`` seals requests, ``s2c`` gives each response a key of its own, ``resume`` is the
pre-shared key of the next handshake (NKpsk0), ``exporter`` is the application's.

*Requests* (``frames``, ``cipher``, ``envelope``).  Request ``n`` is one AEAD message under the nonce ``IV XOR n``.  The
client counts; the count lives in the memory of one process and nowhere else, so no nonce is used twice.

*Responses* (``answers``, ``framing``).  Servers are many and share no counter.  So a response begins with a random
salt, and its key comes from salt, session and request number; within it chunks are counted.  A flag in the associated
data of the last chunk tells a whole response from one that was cut off.

*Replay* (``replay``, ``state``, ``server``).  A session is a row that all processes share.  They decrypt first, then
check and set the window of numbers in one atomic step, and only then hand the request over.  The row holds the secrets
sealed under a key that the database does not have (``wrapping``).

*Errors* (``errors``).  Misuse by the program around is ``MisuseError`` and says what to do.  The peer's faults before a
message is authentic are all one: ``NotAuthenticError``, on the wire the constant RESET, found by the same steps with a
dummy key where there is none.  What an authentic peer does wrong gets a sealed answer.

Who wants to speak the protocol needs ``client`` or ``server``; each has its table of transitions at the top.
"""
