"""Three tables, as in ``benchmarks.schema``, with the field that the second migration adds."""

from django.db import models


class _Thing(models.Model):
    name = models.CharField(max_length=20)
    size = models.IntegerField(default=1)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Thing0(_Thing):
    """The first."""


class Thing1(_Thing):
    """The second."""


class Thing2(_Thing):
    """The third."""
