"""The anomalies that isolation is defined by, each tried with real transactions stepped by hand.

The list, its names and its scenarios are those of Martin Kleppmann's hermitage, https://github.com/ept/hermitage, after
Adya, "Weak Consistency" (1999).  Where snapshot isolation allows an anomaly, the test asserts that it happens.
"""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from django.db import connection, connections, transaction

import kontract
from kontract import env
from kontract.conf import Isolation
from kontract.exceptions import ConflictError
from tests.interleave import Actor

pytestmark = pytest.mark.usefixtures("consistent")


class Person(Actor):
    """An actor that reads and writes numbers in the table ``users``."""

    def read(self, document_id: str) -> int:
        return int(self.do(lambda: env.storage.users[document_id]["value"]))

    def write(self, document_id: str, value: int) -> None:
        self.do(lambda: env.storage.users.set(document_id, {"value": value}))

    def add(self, document_id: str, value: int) -> None:
        self.write(document_id, self.read(document_id) + value)

    def find(self, **lookups: Any) -> list[str]:
        return [document.id for document in self.do(lambda: list(env.storage.users.query(**lookups)))]

    def delete(self, document_id: str) -> None:
        self.do(lambda: env.storage.users.delete(document_id))

    def begin_atomic(self) -> None:
        self._atomic = transaction.atomic()
        self.do(self._atomic.__enter__)

    def commit_atomic(self) -> None:
        self.do(lambda: self._atomic.__exit__(None, None, None))

    def try_commit(self) -> bool:
        try:
            self.commit()
        except ConflictError:
            return False
        return True


@pytest.fixture(params=["snapshot", "serializable"])
def isolation(request: pytest.FixtureRequest) -> Isolation:
    level: Isolation = request.param
    return level


@pytest.fixture
def people(namespace: str) -> Iterator[list[Person]]:
    env.storage.users.set_many({"1": {"value": 10}, "2": {"value": 20}})
    with Person() as one, Person() as two, Person() as three:
        yield [one, two, three]


def begin(people: list[Person], isolation: Isolation) -> list[Person]:
    for person in people:
        person.begin(isolation)
    return people


def stored() -> dict[str, int]:
    return {document_id: document["value"] for document_id, document in env.storage.users.items()}


def test_g0_writes_of_two_transactions_do_not_mix(people: list[Person], isolation: Isolation) -> None:
    one, two, _ = begin(people, isolation)
    one.write("1", 11)
    two.write("1", 12)
    one.write("2", 21)
    assert one.try_commit()
    assert stored() == {"1": 11, "2": 21}
    two.write("2", 22)
    assert two.try_commit()
    assert stored() == {"1": 12, "2": 22}


def test_g1a_nobody_reads_what_is_rolled_back(people: list[Person], isolation: Isolation) -> None:
    one, two, _ = begin(people, isolation)
    one.write("1", 101)
    assert two.read("1") == 10
    one.rollback()
    assert two.read("1") == 10
    assert two.try_commit()


def test_g1b_nobody_reads_an_intermediate_state(people: list[Person], isolation: Isolation) -> None:
    one, two, _ = begin(people, isolation)
    one.write("1", 101)
    assert two.read("1") == 10
    one.write("1", 11)
    assert one.try_commit()
    assert two.read("1") == 10
    assert two.try_commit()
    assert stored()["1"] == 11


def test_g1c_information_does_not_flow_in_a_circle(people: list[Person], isolation: Isolation) -> None:
    one, two, _ = begin(people, isolation)
    one.write("1", 11)
    two.write("2", 22)
    assert (one.read("2"), two.read("1")) == (20, 10)
    # Neither saw the other: that is write skew (G2-item), which snapshot isolation allows.
    assert [one.try_commit(), two.try_commit()] == [True, isolation == "snapshot"]


def test_otv_an_observed_transaction_does_not_vanish(people: list[Person], isolation: Isolation) -> None:
    one, two, three = begin(people, isolation)
    one.write("1", 11)
    one.write("2", 19)
    two.write("1", 12)
    assert one.try_commit()
    assert three.read("1") == 11
    two.write("2", 18)
    assert three.read("2") == 19
    assert two.try_commit()
    assert (three.read("2"), three.read("1")) == (19, 11)
    assert three.try_commit()


def test_pmp_a_predicate_finds_the_same_documents_again(people: list[Person], isolation: Isolation) -> None:
    one, two, _ = begin(people, isolation)
    assert one.find(value__gte=30) == []
    two.write("3", 30)
    assert two.try_commit()
    assert one.find(value__gte=30) == []
    assert one.try_commit()
    assert one.find(value__gte=30) == ["3"]


def test_pmp_a_write_by_predicate_conflicts(people: list[Person], isolation: Isolation) -> None:
    one, two, _ = begin(people, isolation)
    for document_id in one.find():
        one.add(document_id, 10)
    for document_id in two.find(value=20):
        two.delete(document_id)
    assert one.try_commit()
    assert not two.try_commit()
    assert stored() == {"1": 20, "2": 30}


def test_p4_no_update_is_lost(people: list[Person], isolation: Isolation) -> None:
    one, two, _ = begin(people, isolation)
    one.add("1", 1)
    two.add("1", 1)
    assert one.try_commit()
    assert not two.try_commit()
    assert stored()["1"] == 11


def test_g_single_two_reads_see_one_state(people: list[Person], isolation: Isolation) -> None:
    one, two, _ = begin(people, isolation)
    assert one.read("1") == 10
    two.add("1", 2)
    two.add("2", -2)
    assert two.try_commit()
    assert one.read("2") == 20
    assert one.try_commit()


def test_g_single_a_predicate_sees_the_same_state(people: list[Person], isolation: Isolation) -> None:
    one, two, _ = begin(people, isolation)
    assert one.find(value__lt=30) == ["1", "2"]
    for document_id in two.find(value=10):
        two.write(document_id, 12)
    assert two.try_commit()
    assert one.find(value=12) == []
    assert one.try_commit()


def test_g_single_a_write_by_predicate_does_not_act_on_an_old_state(people: list[Person], isolation: Isolation) -> None:
    one, two, _ = begin(people, isolation)
    assert one.read("1") == 10
    two.add("1", 2)
    two.add("2", -2)
    assert two.try_commit()
    assert one.find(value=20) == ["2"]
    one.delete("2")
    assert not one.try_commit()
    assert stored() == {"1": 12, "2": 18}


def test_g2_item_write_skew_needs_serializable(people: list[Person], isolation: Isolation) -> None:
    one, two, _ = begin(people, isolation)
    for person in (one, two):
        assert (person.read("1"), person.read("2")) == (10, 20)
    one.write("1", 11)
    two.write("2", 21)
    assert [one.try_commit(), two.try_commit()] == [True, isolation == "snapshot"]
    assert stored() == {"1": 11, "2": 21 if isolation == "snapshot" else 20}


def test_g2_a_phantom_needs_serializable(people: list[Person], isolation: Isolation) -> None:
    one, two, _ = begin(people, isolation)
    for person in (one, two):
        assert person.find(value__gte=30) == []
    one.write("3", 30)
    two.write("4", 42)
    assert [one.try_commit(), two.try_commit()] == [True, isolation == "snapshot"]
    assert len(stored()) == (4 if isolation == "snapshot" else 3)


@pytest.mark.parametrize("blind", [False, True])
def test_g2_a_reader_makes_two_writers_inconsistent(people: list[Person], isolation: Isolation, blind: bool) -> None:
    """The read-only transaction anomaly: Fekete, O'Neil, O'Neil, SIGMOD Record 33(3), 2004."""
    one, two, three = people
    one.begin(isolation)
    assert (one.read("1"), one.read("2")) == (10, 20)
    two.begin(isolation)
    if blind:
        two.write("2", 25)
    else:
        two.add("2", 5)
    assert two.try_commit()
    three.begin(isolation)
    assert (three.read("1"), three.read("2")) == (10, 25)
    committed = [three.try_commit()]
    one.write("1", 0)
    committed.append(one.try_commit())
    assert committed == [True, isolation == "snapshot"]


@pytest.mark.more_privilege  # ANALYZE
def test_serializable_transactions_that_share_nothing_all_commit(people: list[Person]) -> None:
    # PostgreSQL tracks reads by index page, so the documents must lie on different ones.
    env.storage.users.set_many({f"{letter}{n:03}": {"value": 0} for letter in "az" for n in range(500)})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE storage")
    one, two, _ = people
    one.begin("serializable")
    two.begin("serializable")
    one.add("a100", 1)
    two.add("z400", 1)
    assert [one.try_commit(), two.try_commit()] == [True, True]


# --- The first committer wins ---------------------------------------------------------------------------------------


def insert() -> None:
    assert env.storage.users.get("new") is None
    env.storage.users.set("new", {"value": 1})


def change() -> None:
    env.storage.users.update("1", {"value": 2})


def replace() -> None:
    env.storage.users.set("1", {"value": 3})


def remove() -> None:
    assert env.storage.users.delete("1")


def remove_and_insert() -> None:
    remove()
    replace()


PAIRS = [(insert, insert), *itertools.product([change, replace, remove, remove_and_insert], repeat=2)]


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=lambda step: str(step.__name__))
def test_the_first_committer_wins(
    people: list[Person], isolation: Isolation, first: Callable[[], None], second: Callable[[], None]
) -> None:
    one, two, _ = begin(people, isolation)
    two.read("2")  # from here on it has a snapshot
    one.do(first)
    one.commit()
    after_first = stored()
    two.do(second)
    with pytest.raises(ConflictError, match="Run it again"):
        two.commit()
    assert stored() == after_first


def test_blind_writes_never_conflict(people: list[Person], isolation: Isolation) -> None:
    one, two, _ = people
    for person in (one, two):
        person.begin("snapshot")
    one.write("1", 1)
    two.write("1", 2)
    env.storage.users.set("1", {"value": 3})
    two.commit()
    one.commit()
    assert stored()["1"] == 1
    assert [version.data["value"] for version in env.storage.users.history("1")] == [1, 2, 3, 10]


# --- Inside a transaction of Django's, which is READ COMMITTED --------------------------------------------------------


@pytest.mark.parametrize("step", [change, remove, lambda: env.storage.users.pop()], ids=["update", "delete", "pop"])
def test_a_lost_update_in_a_joined_block_is_detected(people: list[Person], step: Callable[[], Any]) -> None:
    one, two, _ = people
    env.storage.users.delete("2")
    for person in (one, two):
        person.begin_atomic()
        person.do(step)
    one.commit_atomic()
    with pytest.raises(ConflictError):
        two.commit_atomic()


@pytest.mark.parametrize("isolation", [None, "snapshot"])
def test_two_transactions_do_not_take_the_same_document_of_an_unversioned_table(
    people: list[Person], isolation: Isolation | None
) -> None:
    one, two, _ = people
    env.storage.counters.set("1", {"n": 1})
    for person in (one, two):
        if isolation:
            person.begin(isolation)
        else:
            person.begin_atomic()
        assert person.do(lambda: env.storage.counters.shift())
    one.commit() if isolation else one.commit_atomic()
    with pytest.raises(ConflictError):
        two.commit() if isolation else two.commit_atomic()


# --- Running again ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [8])
def test_transactional_counts_right_under_contention(isolation: Isolation, threads: int) -> None:
    env.storage.users.set("1", {"value": 0})

    @kontract.transactional(isolation=isolation, retries=200)
    def increment() -> None:
        env.storage.users.update("1", {"value": env.storage.users["1"]["value"] + 1})

    def work() -> None:
        try:
            for _ in range(5):
                increment()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(copy_context().run, work) for _ in range(threads)]:
            done.result(timeout=60)
    assert env.storage.users["1"] == {"value": 5 * threads}
    assert len(env.storage.users.history("1")) == 5 * threads + 1


def test_transactional_gives_up_after_its_retries(people: list[Person]) -> None:
    one, _, _ = people
    attempts = []

    @kontract.transactional(retries=2)
    def increment() -> None:
        attempts.append(env.storage.users["1"]["value"])
        one.write("1", len(attempts))
        env.storage.users.set("1", {"value": -1})

    with pytest.raises(ConflictError):
        increment()
    assert attempts == [10, 1, 2]
