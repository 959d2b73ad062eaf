"""Reading and writing single documents through ``env.storage``."""

import pytest

import kontract
from kontract import env
from kontract.context import CallContext, calling
from kontract.exceptions import DocumentNotFound, TableNotFound


def test_a_document_reads_back_as_it_was_written() -> None:
    written = env.storage.users.set("user-1", {"name": "Alice"})
    read = env.storage.users.get("user-1")
    assert read == {"name": "Alice"} == written
    assert (read.id, read.txid, read.owner) == ("user-1", written.txid, "")


def test_get_of_an_absent_document_is_none_or_the_default() -> None:
    assert env.storage.users.get("nobody") is None
    assert env.storage.users.get("nobody", 5) == 5


def test_update_merges_and_needs_a_document() -> None:
    env.storage.users.set("user-1", {"name": "Alice", "age": 30})
    assert env.storage.users.update("user-1", {"name": "Bob"}) == {"name": "Bob", "age": 30}
    with pytest.raises(DocumentNotFound, match="no document 'user-2'"):
        env.storage.users.update("user-2", {"name": "Bob"})


def test_an_undeclared_table_says_how_to_declare_it() -> None:
    with pytest.raises(TableNotFound, match=r"kontract\.tables\.create\('nothing'\)"):
        env.storage.nothing.get("x")


def test_a_document_stays_its_owners_whoever_writes_it() -> None:
    for table in (env.storage.users, env.storage.counters):
        with calling(CallContext(owner="alice")):
            assert table.set("user-1", {"n": 1}).owner == "alice"
        with calling(CallContext(owner="bob")):
            assert table.set("user-1", {"n": 2}).owner == "alice"
            assert table.update("user-1", {"n": 3}).owner == "alice"
            with kontract.transaction():
                assert table.update("user-1", {"n": 4}).owner == "alice"
                assert table["user-1"].owner == "alice"
        assert table["user-1"].owner == "alice"
        assert table.delete("user-1")


def test_the_owner_of_what_was_written_blindly_is_not_known_before_the_commit() -> None:
    with calling(CallContext(owner="alice")):
        env.storage.users.set("user-1", {})
    with calling(CallContext(owner="bob")), kontract.transaction():
        assert env.storage.users.set("user-1", {"n": 1}).owner is None
        assert env.storage.users["user-1"].owner is None
    assert env.storage.users["user-1"].owner == "alice"


def test_an_unversioned_document_has_no_txid_but_zero() -> None:
    assert env.storage.counters.set("a", {"n": 1}).txid == 0
    assert env.storage.counters.update("a", {"n": 2}).txid == 0
    assert env.storage.counters["a"].txid == 0
    assert env.storage.counters.set_many({"a": {}, "b": {}}) is None
