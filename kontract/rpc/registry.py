"""Which procedures there are: ``@backend`` adds them, and nothing else can be called."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, overload

from kontract.conf import Isolation
from kontract.exceptions import ConfigurationError, ProcedureNotFound
from kontract.rpc.procedure import P, Procedure, T


class Registry:
    """Procedures by name; complete once it is frozen."""

    def __init__(self) -> None:
        self._procedures: dict[str, Procedure[..., Any]] = {}
        self._frozen = False

    def register(self, procedure: Procedure[..., Any]) -> None:
        """Add a procedure.  Raises ``ConfigurationError`` where its name is taken, or after ``freeze``."""
        if (other := self._procedures.get(procedure.name)) is not None:
            raise ConfigurationError(
                f"Two procedures are named {procedure.name!r}: {other.place} and {procedure.place}. Rename one of "
                'them, or call it otherwise with @backend(name="...").'
            )
        if self._frozen:
            raise ConfigurationError(
                f"The procedure {procedure.place} is defined after start-up, when clients may have been told what "
                "there is. Define it in the backend.py of an installed app, or in a module imported there."
            )
        self._procedures[procedure.name] = procedure

    def freeze(self) -> None:
        """Refuse further procedures."""
        self._frozen = True

    def get(self, name: str) -> Procedure[..., Any]:
        """Return the procedure of this name.  Raises ``ProcedureNotFound``."""
        if (procedure := self._procedures.get(name)) is None:
            raise ProcedureNotFound(f"There is no procedure {name[:100]!a}.")
        return procedure

    def __contains__(self, name: object) -> bool:
        return name in self._procedures

    def __iter__(self) -> Iterator[Procedure[..., Any]]:
        return iter(self._procedures[name] for name in sorted(self._procedures))

    def __len__(self) -> int:
        return len(self._procedures)


registry = Registry()


@overload
def backend(function: Callable[P, T], /) -> Procedure[P, T]: ...


@overload
def backend(
    *, name: str | None = None, isolation: Isolation | None = None, retries: int | None = None
) -> Callable[[Callable[P, T]], Procedure[P, T]]: ...


def backend(
    function: Callable[P, T] | None = None,
    /,
    *,
    name: str | None = None,
    isolation: Isolation | None = None,
    retries: int | None = None,
) -> Any:
    """Make a function (sync or async) a procedure, which clients call by ``name`` (default: the function's).

    Arguments and result are validated and converted by their annotations, see
    https://docs.pydantic.dev/latest/concepts/conversion_table/ (strict, from JSON).  Each call is one transaction with
    this ``isolation`` and runs again after a conflict, at most ``retries`` times (settings ``ISOLATION``, ``RETRIES``);
    so keep effects outside the database in ``django.db.transaction.on_commit``.

    Raises ``ConfigurationError`` for a function that cannot be called over JSON, and for a name that is taken.
    """
    if function is None:
        return functools.partial(backend, name=name, isolation=isolation, retries=retries)
    wanted = getattr(function, "__name__", "") if name is None else name
    procedure = Procedure(name=wanted, function=function, isolation=isolation, retries=retries)
    registry.register(procedure)
    return procedure
