"""The principals: everybody who calls, anonymous or with an account, in the logical table ``__users``."""

import secrets
import time
from collections.abc import Iterable
from typing import Any, Final

from django.db import models

from kontract.orm import VersionedModel
from kontract.perms import ___

USERS: Final = "__users"


def new_id() -> str:
    """Return 128 random bits: nobody guesses a principal or a session, and their ids tell nothing."""
    return secrets.token_hex(16)


class Principal(VersionedModel):
    """Somebody who calls, under the same id for ever: first anonymous perhaps, then with an account.

    ``subject`` is who it is at a provider elsewhere: ``"<provider>:<id there>"``.  ``password`` is encoded, as Django
    does; "" where there is none.  ``epoch`` counts what makes access tokens void.  ``merged_into`` is the principal
    that has got everything of this one, and ``moved`` what of it was in unversioned tables: ids by name of the table.
    """

    id = models.CharField(primary_key=True, max_length=200, default=new_id, editable=False)
    is_anonymous = models.BooleanField(default=True)
    is_active = models.BooleanField(default=True)
    email = models.CharField(max_length=254, unique=True, null=True, blank=True)
    is_verified = models.BooleanField("e-mail verified", default=False)
    username = models.CharField(max_length=150, unique=True, null=True, blank=True)
    subject = models.CharField(max_length=500, unique=True, null=True, blank=True)
    password = models.CharField(max_length=500, default="", blank=True)
    ugroups = models.JSONField("user groups", default=list, blank=True)
    epoch = models.IntegerField(default=0)
    created_at = models.FloatField("created (seconds since 1970)", default=time.time, editable=False)
    merged_into = models.CharField(max_length=200, default="", blank=True)
    moved = models.JSONField(default=dict, blank=True)

    class Meta:
        app_label = "kontract_auth"
        db_table = USERS
        perm = ___
        ordering = ("created_at",)

    def __str__(self) -> str:
        return self.email or self.username or self.subject or self.id

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the names of user groups sorted and single."""
        self.ugroups = as_groups(self.ugroups)
        super().save(*args, **kwargs)


def as_groups(names: Iterable[str]) -> list[str]:
    """Return names of user groups as they are kept."""
    return sorted({str(name) for name in names})
