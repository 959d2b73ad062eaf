"""The twins, and tables for the ordinary ones."""

import uuid
from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

import kontract
from kontract import tables
from tests.twins.compare import Both, Models
from tests.twins.compare import plain_tables as plain
from tests.twins.stock import fill


@pytest.fixture(scope="session")
def plain_tables(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Make the tables of the ordinary twins."""
    with django_db_blocker.unblock():
        plain.create()


@pytest.fixture
def both(plain_tables: None, namespace: str) -> Both:
    """Return what compares the twins."""
    return Both()


@pytest.fixture(params=[pytest.param("plain", marks=pytest.mark.more_privilege), "versioned"])
def twin(request: pytest.FixtureRequest, namespace: str) -> Models:
    """Run the test on ordinary models and on versioned ones."""
    if request.param == "plain":
        request.getfixturevalue("plain_tables")
        plain.empty()
    return Models(request.param)


@pytest.fixture
def versioned(namespace: str) -> Models:
    """Return the versioned models."""
    return Models("versioned")


@pytest.fixture(scope="session")
def _stock(plain_tables: None, django_db_blocker: DjangoDbBlocker) -> str:
    """Make a library of versioned objects; return the namespace that it is in."""
    name = f"test-{uuid.uuid4().hex}"
    with django_db_blocker.unblock():
        tables.create_namespace(name)
        with kontract.namespace(name):
            fill(Models("versioned"))
    return name


@pytest.fixture
def library(_stock: str, namespace: str) -> Iterator[Both]:
    """Return what compares the twins of a library that tests leave as it is."""
    plain.fill(fill)
    with kontract.namespace(_stock):
        yield Both(shared=True)
