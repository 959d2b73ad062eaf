# ruff: noqa: DJ008 - nobody looks at these models
"""The one rule, on every combination; what a call writes of a document; who may call; and contradictions."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.test import override_settings
from django.test.utils import isolate_apps
from hypothesis import given
from hypothesis import strategies as st

from kontract import perm, perms
from kontract.conf import TableOptions, parse
from kontract.context import CallContext, calling, elevated
from kontract.exceptions import (
    AuthenticationRequiredError,
    ConfigurationError,
    PermissionDeniedError,
)
from kontract.mvcc import access
from kontract.mvcc.matching import is_same
from kontract.orm import VersionedModel, source
from kontract.orm.model import VersionedModelBase
from kontract.orm.permission_checks import check_permissions
from kontract.orm.permitted import ModelTable
from kontract.perms import RWX, Perm, find_lacking, show
from kontract.rpc.access import check_access
from kontract.rpc.explain import decide, describe
from kontract.rpc.procedure import Procedure
from kontract.tables import keys, permitted
from kontract.tables.keys import access_options

MASKS = [Perm(bits) for bits in range(8)]
NAMES = ["___", "__X", "_W_", "_WX", "R__", "R_X", "RW_", "RWX"]


def table(perm: Perm = RWX, **fields: Perm) -> ModelTable:
    return ModelTable("users", TableOptions(perm=perm, fields=fields))


def call(**options: Any) -> CallContext:
    return replace(CallContext(route="test", owner="1", is_anonymous=False), **options)


# --- The rule --------------------------------------------------------------------------------------------------------


def test_constants_have_the_bits_that_their_names_show() -> None:
    assert [getattr(perms, name) for name in NAMES] == MASKS
    assert [show(bits) for bits in MASKS] == NAMES


@pytest.mark.parametrize("bit", [Perm.R, Perm.W, Perm.X])
def test_a_bit_is_granted_where_every_level_that_has_a_say_grants_it(bit: Perm) -> None:
    for granted in product(MASKS, MASKS, MASKS):
        having_a_say = granted[:2] if bit is Perm.X else granted
        refusing = [level for level, bits in zip(perms.LEVELS, having_a_say, strict=False) if bit not in bits]
        assert find_lacking(bit, *granted) == (refusing[0] if refusing else None)
        options = TableOptions(perm=granted[1], fields={"name": granted[2]})
        decision = {decision.bit: decision for decision in decide(granted[0], options, "name")}[bit]
        assert (decision.is_allowed, decision.decided_by) == (not refusing, refusing[0] if refusing else None)
        with calling(call(perm=granted[0])):
            field = None if bit is Perm.X else "name"
            assert access.find_level(ModelTable("t", options), bit, field) == decision.decided_by


def test_refusals_say_what_is_lacking_and_what_to_do() -> None:
    for wanted, procedure, checked, field in (
        ("The procedure 'test' has the permissions R_X, which lack W. Declare it with @backend(perm=perms.RWX) if it "
         "is to write documents of the table 'users'.", perms.R_X, table(), None),
        ("A call may not delete documents of the table 'users': the permissions of the table are RW_. Change them, or "
         "let the procedure do it within kontract.elevated().", RWX, table(perms.RW_), None),
        ("A call may not read the field 'password' of the table 'users': the permissions of the field are _W_. Change "
         "them, or let the procedure do it within kontract.elevated().", RWX, table(password=perms._W_), "password"),
    ):  # fmt: skip
        bit = {"write": Perm.W, "delete": Perm.X, "read": Perm.R}[
            next(verb for verb in ("write", "delete", "read") if verb in wanted)
        ]
        with calling(call(perm=procedure)), pytest.raises(PermissionDeniedError) as refused:
            access.check(checked, bit, field)
        assert str(refused.value) == wanted


def test_elevated_lifts_all_but_the_procedure() -> None:
    with calling(call(perm=perms.R__)), elevated():
        access.check(table(perms.___), Perm.R)
        with pytest.raises(PermissionDeniedError):
            access.check(table(), Perm.W)
    access.check(table(perms.___), Perm.X)  # outside of a call


# --- Documents -------------------------------------------------------------------------------------------------------

VALUES = st.sampled_from([0, 1, 1.0, True, False, None, "", "x", [1], [True], {"a": 1}, {"a": True}])
DOCUMENTS = st.dictionaries(st.sampled_from("abcd"), VALUES)
FIELDS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(MASKS))


@given(stored=DOCUMENTS | st.none(), data=DOCUMENTS, fields=FIELDS)
def test_what_replaces_a_document_changes_nothing_that_it_may_not(
    stored: dict[str, Any] | None, data: dict[str, Any], fields: dict[str, Perm]
) -> None:
    before = stored or {}
    with calling(call()):
        try:
            after = permitted.replace(table(**fields), stored, data)
        except PermissionDeniedError:
            assert any(not bits & Perm.W and name in data for name, bits in fields.items())
            return
        shown = permitted.show(table(**fields), after)
    for name in "abcd":
        bits = fields.get(name, RWX)
        if not bits & Perm.W:  # it is as it was, and nobody could have guessed at what they cannot see
            assert is_same([after.get(name)], [before.get(name)])
            assert bits & Perm.R or name not in data
        elif name in data:
            assert after[name] is data[name]
        else:
            assert (name in after) == (name in before and not bits & Perm.R)
        assert (name in shown) == bool(name in after and bits & Perm.R)


@given(stored=DOCUMENTS, changes=DOCUMENTS, fields=FIELDS)
def test_a_merge_changes_nothing_that_it_may_not(
    stored: dict[str, Any], changes: dict[str, Any], fields: dict[str, Perm]
) -> None:
    with calling(call()):
        try:
            after = permitted.merge(table(**fields), stored, changes)
        except PermissionDeniedError:
            assert any(not bits & Perm.W and name in changes for name, bits in fields.items())
            return
    assert after == {**stored, **changes}
    locked = [name for name, bits in fields.items() if not bits & Perm.W]
    assert all(is_same([after.get(name)], [stored.get(name)]) for name in locked)


def test_a_procedure_without_r_is_shown_what_it_gave() -> None:
    with calling(call(perm=perms._W_)):
        assert permitted.show(table(), {"a": 1, "b": 2}, given={"a": 1}) == {"a": 1}
        assert permitted.show(table(), {"a": 1}) == {}


# --- Who may call ----------------------------------------------------------------------------------------------------


def procedure(ugroup: Any) -> Procedure[..., Any]:
    def do() -> None:
        """Do it."""

    groups = None if ugroup is None else frozenset(ugroup)
    return Procedure(name="do", function=do, perm=perms.R__, ugroups=groups)


def test_user_groups() -> None:
    check_access(procedure(None), call(is_anonymous=True))
    check_access(procedure(["staff", "editors"]), call(ugroups=frozenset(["editors", "x"])))
    for groups in (["staff"], []):
        with pytest.raises(AuthenticationRequiredError) as unknown:
            check_access(procedure(groups), call(is_anonymous=True, ugroups=frozenset(["staff"])))
        with pytest.raises(PermissionDeniedError) as outsider:
            check_access(procedure(groups), call(ugroups=frozenset(["editors"])))
        assert (unknown.value.http_status, outsider.value.http_status) == (401, 403)
        assert "staff" not in f"{unknown.value}{outsider.value}"


def test_a_description_says_which_rule_decides() -> None:
    options = TableOptions(perm=perms.RW_, fields={"password": perms._W_}, owner_scoped=True)
    caller = call(owner="7", ugroups=frozenset(["staff"]))
    assert list(describe(procedure(["staff", "x"]), caller, options, "password")) == [
        "call: allowed by ugroup: the caller is in staff",
        "R: refused by the field (procedure R__, table RW_, field _W_)",
        "W: refused by the procedure (procedure R__, table RW_, field _W_)",
        "X: refused by the procedure (procedure R__, table RW_)",
        "A document is deleted as a whole: the field has no say in X.",
        "owner: the table is owner-scoped: the call sees and writes documents of '7' alone",
    ]
    assert next(describe(procedure(["b", "a"]), call(ugroups=frozenset("c")))) == (
        "call: refused by ugroup, 403: the caller is in c (needed: a, b)"
    )
    nobody = list(describe(procedure(["a"]), CallContext(), options))
    assert nobody[0] == "call: refused by ugroup, 401: nobody has signed in (needed: a)"
    assert nobody[-1].endswith("the caller is nobody: sees nothing, and has to sign in to write")
    assert next(describe(procedure(None), CallContext())) == "call: allowed (anybody may call)"


# --- Declarations ----------------------------------------------------------------------------------------------------


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(keys, "_declared", dict(keys._declared))
    monkeypatch.setattr(source, "_models", dict(source._models))
    monkeypatch.setattr(apps, "get_containing_app_config", lambda module: apps.get_app_config("app"))
    with isolate_apps("tests.app"):
        yield


@pytest.mark.parametrize(
    "options",
    [{"perm": 6}, {"perm": "RW_"}, {"fields": ["a"]}, {"fields": {"a": 4}}, {"owner_scoped": 1}, {"owner": True}],
)
def test_settings_that_are_no_permissions(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="users"):
        parse({"TABLES": {"users": options}})


@pytest.mark.usefixtures("registry")
def test_a_model_declares_permissions_and_hands_them_down() -> None:
    class Base(VersionedModel):
        name = perm(perms.R__, models.CharField(max_length=10))

        class Meta:
            abstract = True
            perm = perms.RW_
            owner_scoped = True

    class Plain(Base):
        pass

    class Shared(Base):
        renamed = perm(perms._W_, models.TextField(db_column="other"))

        class Meta(Base.Meta):
            owner_scoped = False
            ordering = ("id",)

    assert access_options("app_plain") == TableOptions(perm=perms.RW_, fields={"name": perms.R__}, owner_scoped=True)
    assert access_options("app_shared") == TableOptions(perm=perms.RW_, fields={"name": perms.R__, "other": perms._W_})
    assert Shared._meta.ordering == ("id",)
    with override_settings(
        KONTRACT={"TABLES": {"app_shared": {"perm": perms.R_X, "fields": {"name": perms.RWX, "other": perms.R_X}}}}
    ):
        assert access_options("app_shared") == TableOptions(
            perm=perms.R__, fields={"name": perms.R__, "other": perms.___}
        )
    for meta in ({"perm": 6}, {"owner_scoped": "yes"}):
        with pytest.raises(TypeError, match="Meta"):
            VersionedModelBase("Wrong", (VersionedModel,), {"Meta": type("Meta", (), meta), "__module__": __name__})


def found(*checked: Any) -> list[str | None]:
    messages = check_permissions(checked)
    assert all(message.hint and str(message.msg).endswith(".") for message in messages)
    return [message.id for message in messages]


@pytest.mark.usefixtures("registry")
def test_checks() -> None:
    class Ordinary(models.Model):
        name = perm(perms.R__, models.TextField())

        class Meta:
            app_label = "app"

    class Parent(VersionedModel):
        key = perm(perms._W_, models.UUIDField(primary_key=True))
        hidden = perm(perms.___, models.IntegerField())
        name = perm(perms.RW_, models.TextField())

        class Meta:
            ordering = ("-hidden",)

    class Proxy(Parent):
        class Meta:
            proxy = True
            perm = perms.R__

    class Between(VersionedModel):
        one = models.ForeignKey(Parent, models.CASCADE, related_name="+")
        two = models.ForeignKey("Many", models.CASCADE, related_name="+")

    class Many(VersionedModel):
        others = perm(perms.R__, models.ManyToManyField(Parent, through=Between))
        more = perm(perms.R__, models.ManyToManyField(Parent, related_name="+"))

    assert found(Ordinary) == ["kontract.E030"]
    assert found(Proxy) == ["kontract.E031"]
    assert found(Parent) == ["kontract.E032", "kontract.W031", "kontract.W032"]
    assert found(Many, Between) == ["kontract.W030"]
    intermediary: Any = Many.more.through
    assert intermediary._table_perm == perms.R__
    with override_settings(KONTRACT={"TABLES": {"app_between": {"fields": {"one_id": perms.R__, "one": perms.R__}}}}):
        assert found(Between) == ["kontract.E033", "kontract.W032"]
    assert found(*apps.get_models()) == []


def test_the_default_is_everything() -> None:
    assert access_options("nobody has declared it") == TableOptions()
