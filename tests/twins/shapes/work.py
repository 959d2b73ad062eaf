"""Relations with something of their own: through models, to ordinary models, generic ones, ordered ones."""

from typing import Any

from django.contrib.auth.models import Group
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Person(models.Model):
    """Somebody with friends (mutual) and idols (not)."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=20, unique=True)
    friends = models.ManyToManyField("self")
    idols = models.ManyToManyField("self", symmetrical=False, related_name="fans")
    tags = GenericRelation("Tag")

    class Meta:
        abstract = True
        ordering = ["name"]


class Club(models.Model):
    """A club, whose members have a role in it."""

    name = models.CharField(max_length=20)
    members: Any = models.ManyToManyField("Person", through="Membership", related_name="clubs")

    class Meta:
        abstract = True


class Membership(models.Model):
    """Who is a member, and as what."""

    person = models.ForeignKey("Person", models.CASCADE)
    club = models.ForeignKey("Club", models.CASCADE)
    role = models.CharField(max_length=20, default="member")

    class Meta:
        abstract = True


class Note(models.Model):
    """Something that belongs to ordinary objects."""

    text = models.CharField(max_length=20)
    group = models.ForeignKey(Group, models.CASCADE, null=True, related_name="%(app_label)s_notes")
    readers = models.ManyToManyField(Group, related_name="%(app_label)s_readable")

    class Meta:
        abstract = True


class Tag(models.Model):
    """A word on any object."""

    word = models.CharField(max_length=20)
    content_type = models.ForeignKey(ContentType, models.CASCADE, related_name="%(app_label)s_tags")
    object_id = models.BigIntegerField()
    target = GenericForeignKey()

    class Meta:
        abstract = True


class Label(models.Model):
    """A word on any object, whose key may be a text."""

    word = models.CharField(max_length=20)
    content_type = models.ForeignKey(ContentType, models.CASCADE, related_name="%(app_label)s_labels")
    object_id = models.CharField(max_length=40)
    target = GenericForeignKey()

    class Meta:
        abstract = True


class Question(models.Model):
    """A question, whose answers are in an order."""

    text = models.CharField(max_length=20)

    class Meta:
        abstract = True


class Answer(models.Model):
    """An answer, at its place."""

    text = models.CharField(max_length=20)
    question = models.ForeignKey("Question", models.CASCADE)

    class Meta:
        abstract = True
        order_with_respect_to = "question"


class Task(models.Model):
    """A counter that many threads want."""

    name = models.CharField(max_length=20, unique=True)
    count = models.IntegerField(default=0)

    class Meta:
        abstract = True
        ordering = ["name"]
