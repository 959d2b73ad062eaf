"""The reserved ptrs, under which lie rows of our own."""

from typing import Final

CATALOG: Final = 0  # ptr of the catalog: logical names, namespaces
HORIZONS: Final = 1  # ptr of vacuum's horizons, one unversioned document a table
KEYS: Final = 2  # ptr of the key rows, which make values unique: one for each, that says which document has it
ANSWERS: Final = 3  # ptr of the answers that calls with an Idempotency-Key were given, unversioned
BUCKETS: Final = 4  # ptr of the rate limits' buckets, unversioned: until when each is booked
SESSIONS: Final = 5  # ptr of the sessions of those who have signed in, unversioned
CHANNELS: Final = 6  # ptr of raystream's sessions, unversioned
CONSUMERS: Final = 7  # ptr of where consumers of changes are, and of what they could not take, unversioned
FIRST_PTR: Final = 100  # smaller ones are reserved
