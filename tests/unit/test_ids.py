"""UUIDs that are ordered by time."""

import time
import uuid

from kontract.tables.ids import uuid7


def test_a_uuid7_has_its_version_variant_and_time() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_uuid7s_of_different_moments_are_in_order_and_all_differ() -> None:
    made = []
    for _ in range(50):
        made.append(str(uuid7()))
        time.sleep(0.001)
    assert made == sorted(made)
    assert len({uuid7() for _ in range(10_000)}) == 10_000
