"""``manage.py kontract_keys``: make the keys of the encrypted channel, and show the public ones."""

import base64
import os
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kontract.conf import RaystreamOptions, get_settings
from kontract.exceptions import ConfigurationError
from kontract.raystream.keys import StaticKey


class Command(BaseCommand):
    """Make keys, list those in use, or print what clients pin."""

    help = (
        "new: print a secret key for the settings, and all else that is needed the first time; nothing is stored. "
        "list: show the keys in the settings. public: print what clients pin."
    )
    requires_system_checks = []  # some of them miss the keys that this makes

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("action", choices=["new", "list", "public"])
        parser.add_argument("--days", type=int, default=730, help="that a new key is used (default: 730)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        if options["days"] < 1:
            raise CommandError("--days must be at least 1.")
        try:
            found, fault = get_settings().RAYSTREAM, 'KONTRACT["RAYSTREAM"] is not set up.'
        except ConfigurationError as error:
            found, fault = None, str(error)
        if options["action"] == "new":
            self._make(options["days"], is_first=found is None)
        elif found is None:
            raise CommandError(f"{fault} kontract_keys new writes what is needed.")
        elif options["action"] == "list":
            self._list(found)
        else:
            self._publish(found)

    def _make(self, days: int, *, is_first: bool) -> None:
        if not is_first:
            self.stdout.write("# Secret. Append it to the keys in the settings:")
            self.stdout.write(_new_key(days))
            return
        self.stdout.write("# Secret. Keep these where your other secrets are, and out of the repository.")
        self.stdout.write('KONTRACT["RAYSTREAM"] = {\n    "audience": "api.example.com",  # names your service')
        self.stdout.write(f'    "wrapping_key": "{_encode(os.urandom(32))}",\n    "keys": [')
        self.stdout.write(f"        {_new_key(days)}\n        {_new_key(2 * days)}\n    ],\n}}")

    def _list(self, found: RaystreamOptions) -> None:
        now = datetime.now(UTC).timestamp()
        for number, key in enumerate(found.keys):
            made = StaticKey.from_bytes(key.secret, key.not_after)
            state = "over" if key.not_after < now else "current" if number == 0 else "next"
            until = datetime.fromtimestamp(key.not_after, UTC).date()
            self.stdout.write(f"{made.kid.hex()}  until {until}  {state:7}  {_encode(made.public)}")

    def _publish(self, found: RaystreamOptions) -> None:
        self.stdout.write(f"audience {found.audience}\nsuites {' '.join(map(str, found.suites))}")
        for key in found.keys:
            self.stdout.write(f"key {_encode(StaticKey.from_bytes(key.secret, key.not_after).public)}")


def _new_key(days: int) -> str:
    until = datetime.now(UTC).date() + timedelta(days=days)
    return f'{{"key": "{_encode(StaticKey.generate(0).private_bytes())}", "not_after": "{until}"}},'


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
