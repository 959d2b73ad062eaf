"""Reading and writing single documents through ``env.storage``."""

import pytest

from kontract import env
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
