"""Who takes part; import it only after ``django.setup()``."""

from benchmarks.contenders.base import Contender
from benchmarks.contenders.books import Books, ReversionBooks, SimpleHistoryBooks, VersionedBooks
from benchmarks.contenders.floor import Floor
from benchmarks.contenders.ordinary import Django, PgHistory, Reversion, SimpleHistory
from benchmarks.contenders.ours import Kontract

__all__ = ["Contender", "make_contenders", "make_libraries"]


def make_contenders() -> list[Contender]:
    """Return the contenders, kontract first."""
    return [Kontract(), Django(), SimpleHistory(), Reversion(), PgHistory(), Floor()]


def make_libraries() -> list[Books]:
    """Return the contenders of the cases of models, kontract first."""
    return [VersionedBooks(), Books(), SimpleHistoryBooks(), ReversionBooks()]
