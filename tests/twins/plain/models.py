"""The ordinary twins; their tables are made by a fixture, not by a migration."""

from django.db import models

from tests.twins.build import build


class Anchor(models.Model):
    """An ordinary model; objects of both apps refer to it."""

    name = models.CharField(max_length=20)

    def __str__(self) -> str:
        return self.name


build(__name__)
