"""What calls may do only some things with."""

import secrets

from django.db import models
from django.db.models.functions import Upper

from kontract import perm, perms
from kontract.orm import VersionedModel


def make_token() -> str:
    """Return a secret that nobody chooses."""
    return secrets.token_hex(8)


class Note(VersionedModel):
    """What everything is allowed with, unless the settings of a test say otherwise."""

    title = models.CharField(max_length=100, default="")
    number = models.IntegerField(null=True)

    class Meta:
        db_table = "notes"

    def __str__(self) -> str:
        return self.title


class Team(VersionedModel):
    """What calls may neither change nor delete."""

    name = models.CharField(max_length=100)

    class Meta:
        db_table = "teams"
        perm = perms.R__

    def __str__(self) -> str:
        return self.name


class Account(VersionedModel):
    """A field of each kind."""

    name = models.CharField(max_length=100, default="")
    password = perm(perms._W_, models.CharField(max_length=100, default=""))
    token = perm(perms.___, models.CharField(max_length=100, default=make_token))
    rank = perm(perms.___, models.IntegerField(default=1))
    level = perm(perms.R__, models.IntegerField(default=1))
    serial = perm(perms.R__, models.CharField(max_length=100, default=make_token))
    created_at = perm(perms.R__, models.DateTimeField(auto_now_add=True))
    updated_at = perm(perms.R__, models.DateTimeField(auto_now=True))
    email = perm(perms._W_, models.EmailField(unique=True, null=True))
    shouted = models.GeneratedField(
        expression=Upper("password"), output_field=models.CharField(max_length=100), db_persist=True
    )
    team = perm(perms._W_, models.ForeignKey(Team, models.SET_NULL, null=True, related_name="accounts"))
    facts = perm(perms.R__, models.JSONField(null=True))
    friends = perm(perms.RW_, models.ManyToManyField("self", symmetrical=False))

    class Meta:
        db_table = "accounts"

    def __str__(self) -> str:
        return self.name


class Diary(VersionedModel):
    """What is its owner's alone."""

    title = models.CharField(max_length=100, unique=True)
    followers = models.ManyToManyField(Account)

    class Meta:
        db_table = "diaries"
        owner_scoped = True

    def __str__(self) -> str:
        return self.title


class Page(VersionedModel):
    """A part of a diary: its owner's alone as well."""

    diary = models.ForeignKey(Diary, models.CASCADE, related_name="pages")
    text = models.TextField(default="")

    class Meta:
        db_table = "pages"
        owner_scoped = True

    def __str__(self) -> str:
        return self.text


class Remark(VersionedModel):
    """What anybody writes about a page."""

    page = models.ForeignKey(Page, models.CASCADE, related_name="remarks")
    text = models.TextField(default="")

    class Meta:
        db_table = "remarks"

    def __str__(self) -> str:
        return self.text
