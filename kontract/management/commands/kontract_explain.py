"""``manage.py kontract_explain``: say which rule decides what a call may do."""

from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from kontract.conf import TableOptions, get_settings
from kontract.context import CallContext, namespace
from kontract.exceptions import NamespaceNotFound, ProcedureNotFound
from kontract.orm.source import find_column
from kontract.perms import show
from kontract.rpc.explain import describe
from kontract.rpc.registry import registry
from kontract.tables.catalog import names
from kontract.tables.keys import access_options, is_declared


class Command(BaseCommand):
    """Say whether somebody may call a procedure, and what it may then do with a table or a field."""

    help = (
        "Say whether a user may call PROCEDURE, and whether it may then read (R), write (W) and delete (X); for each, "
        "which rule decides: the user groups, the procedure, the table, the field, or the owner."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("procedure", help="name of the procedure")
        parser.add_argument("--as", dest="user", help="username or primary key of the caller (default: nobody)")
        parser.add_argument("--groups", default="", help="user groups of the caller, more than those of --as: a,b")
        parser.add_argument("--table", help="logical table")
        parser.add_argument("--field", help="key of the table's documents, or field of its model")
        parser.add_argument("--namespace", default="", help="namespace in which to look for the table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        try:
            procedure = registry.get(options["procedure"])
        except ProcedureNotFound as error:
            raise CommandError(f"{error} There are: {', '.join(known.name for known in registry)}.") from error
        call = _make_call(options["user"], frozenset(filter(None, options["groups"].split(","))))
        name, field = options["table"], options["field"]
        if field and not name:
            raise CommandError("A field belongs to a table: give --table, too.")
        table = _find_table(name, options["namespace"]) if name else None
        self.stdout.write(f"procedure {procedure.name} ({show(procedure.perm)})")
        for line in describe(procedure, call, table, find_column(name, field) if field else None):
            self.stdout.write(line)


def _make_call(name: str | None, groups: frozenset[str]) -> CallContext:
    if name is None:
        return CallContext(ugroups=groups, is_anonymous=not groups)
    if not apps.is_installed("django.contrib.auth"):  # then owners are whoever the project says
        return CallContext(owner=name, ugroups=groups, is_anonymous=False)
    users = get_user_model()._default_manager
    user = users.filter(**{users.model.USERNAME_FIELD: name}).first() or _find_by_key(users, name)
    if user is None:
        raise CommandError(f"There is no user {name!r}.")
    own = user.groups.values_list("name", flat=True) if hasattr(user, "groups") else ()
    return CallContext(owner=str(user.pk), ugroups=groups.union(own), is_anonymous=False)


def _find_by_key(users: Any, key: str) -> Any:
    try:
        return users.filter(pk=key).first()
    except (ValueError, ValidationError):  # it cannot be one
        return None


def _find_table(name: str, where: str) -> TableOptions:
    try:
        with namespace(where):
            if not is_declared(name) and name not in get_settings().TABLES and name not in names():
                raise CommandError(f"There is no logical table {name!r}. There are: {', '.join(names())}.")
    except NamespaceNotFound as error:
        raise CommandError(str(error)) from error
    return access_options(name)
