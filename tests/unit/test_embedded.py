"""The choice of a server by the environment, which needs none to run."""

from pathlib import Path
from typing import Any

import pytest

from kontract import embedded
from kontract.exceptions import ConfigurationError


@pytest.fixture(autouse=True)
def _no_server_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("KONTRACT_DATABASE_URL", "PGSERVICE", "PGHOST", "PGHOSTADDR", "PGDATABASE", "PGUSER", "PGPORT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(embedded, "database", lambda path, name: {"embedded": (path, name)})


def choose() -> dict[str, Any]:
    return embedded.database_from_env(Path("somewhere"), name="shop")


def test_embedded_server_where_nothing_is_named() -> None:
    assert choose() == {"embedded": (Path("somewhere"), "shop")}


def test_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRACT_DATABASE_URL", "postgresql://me:a%40b@db.example:6432/shop?sslmode=require")
    assert choose() == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "shop",
        "USER": "me",
        "PASSWORD": "a@b",
        "HOST": "db.example",
        "PORT": "6432",
        "OPTIONS": {"sslmode": "require"},
    }


def test_url_comes_before_the_variables_and_takes_the_rest_from_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRACT_DATABASE_URL", "host=one dbname=shop")
    monkeypatch.setenv("PGHOST", "two")
    monkeypatch.setenv("PGUSER", "me")
    entry = choose()
    assert (entry["HOST"], entry["NAME"], entry["USER"]) == ("one", "shop", "me")


@pytest.mark.parametrize("variable", ["PGHOST", "PGDATABASE"])
def test_variables(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "there")
    monkeypatch.setenv("PGUSER", "me")
    entry = choose()
    assert (entry["HOST"], entry["NAME"]) == (("there", "me") if variable == "PGHOST" else ("", "there"))


def test_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "services").write_text("[shop]\nhost=db.example\ndbname=goods\nuser=me\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGSERVICE", "shop")
    entry = choose()
    assert (entry["HOST"], entry["NAME"], entry["USER"]) == ("db.example", "goods", "me")


def test_service_in_the_url_is_left_to_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRACT_DATABASE_URL", "service=shop port=6432")
    entry = choose()
    assert (entry["NAME"], entry["USER"], entry["PORT"], entry["OPTIONS"]) == ("", "", "6432", {"service": "shop"})


def test_unreadable_url_is_refused_without_telling_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRACT_DATABASE_URL", "postgresql://me:secret@host:port:1/x y")
    with pytest.raises(ConfigurationError, match="KONTRACT_DATABASE_URL") as caught:
        choose()
    assert "secret" not in str(caught.value)
