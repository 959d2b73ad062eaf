"""``manage.py kontract_users``: make accounts, set their groups, and end their sessions."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from getpass import getpass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

from kontract.auth import sessions
from kontract.auth.models import Principal
from kontract.auth.principals import Device, register, set_groups
from kontract.auth.providers import PasswordProvider, list_providers, normalise
from kontract.context import namespace
from kontract.exceptions import AccountExistsError


class Command(BaseCommand):
    """Look after the principals of ``kontract.auth``."""

    help = "Create accounts, set their user groups, list and end their sessions. NAME is an e-mail, username or id."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the sub-commands."""
        parser.add_argument("--namespace", default="", help="namespace that the principals are in")
        commands = parser.add_subparsers(dest="command", required=True)
        create = commands.add_parser("create", help="make an account with a password")
        create.add_argument("name", help="e-mail address, or username if that is PasswordProvider's lookup")
        create.add_argument("--password", help="asked for if not given")
        create.add_argument("--groups", nargs="*", default=[], help="user groups")
        groups = commands.add_parser("groups", help="set the user groups of a principal")
        groups.add_argument("name")
        groups.add_argument("groups", nargs="*")
        commands.add_parser("sessions", help="list the sessions of a principal").add_argument("name")
        revoke = commands.add_parser("revoke", help="end the sessions of a principal")
        revoke.add_argument("name")
        revoke.add_argument("session", nargs="?", help="only this one")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the sub-command."""
        with namespace(options["namespace"]):
            getattr(self, f"_{options['command']}")(**options)

    def _create(self, *, name: str, password: str | None, groups: list[str], **options: Any) -> None:
        provider = list_providers().get("password")
        if not isinstance(provider, PasswordProvider):
            raise CommandError("There is no PasswordProvider in KONTRACT['AUTH']['providers'].")
        try:
            account = provider.register({provider.lookup: name, "password": password or getpass()}, None)
            principal = register(account, provider, Device(agent="manage.py kontract_users")).principal
        except (ValidationError, AccountExistsError) as error:
            raise CommandError(str(error)) from error
        sessions.end(principal.id)  # nobody has its tokens
        set_groups(principal, groups)
        self.stdout.write(f"created {principal.id}")

    def _groups(self, *, name: str, groups: list[str], **options: Any) -> None:
        set_groups(_find(name), groups)
        self.stdout.write(f"groups: {', '.join(sorted(groups)) or 'none'}")

    def _sessions(self, *, name: str, **options: Any) -> None:
        for session in sessions.list_of(_find(name).id):
            begun = datetime.fromtimestamp(session.created_at, UTC)
            self.stdout.write(f"{session.id}  since {begun:%Y-%m-%d %H:%M} UTC  {session.ip}  {session.agent}")

    def _revoke(self, *, name: str, session: str | None, **options: Any) -> None:
        if not (ended := sessions.end(_find(name).id, only=session)) and session:
            raise CommandError(f"{name} has no session {session!r}. List them with: kontract_users sessions {name}")
        self.stdout.write(f"ended {len(ended)} session{'' if len(ended) == 1 else 's'}")


def _find(name: str) -> Principal:
    is_it = Q(pk=name) | Q(email=normalise(name)) | Q(username=normalise(name)) | Q(subject=name)
    found: Principal | None = Principal.objects.filter(is_it).first()
    if found is None:
        raise CommandError(f"There is no principal {name!r}.")
    return found
