"""Which procedures there are: ``@backend`` adds them, and nothing else can be called."""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, overload

from kontract.conf import Isolation
from kontract.exceptions import CallError, ConfigurationError, ProcedureNotFound
from kontract.perms import RWX, Perm
from kontract.rpc.procedure import DEFAULT_EGROUP, P, Procedure, T


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
    *,
    name: str | None = None,
    egroup: str = DEFAULT_EGROUP,
    perm: Perm = RWX,
    ugroup: str | Iterable[str] | None = None,
    errors: Iterable[type[CallError]] = (),
    etag: bool = True,
    isolation: Isolation | None = None,
    retries: int | None = None,
) -> Callable[[Callable[P, T]], Procedure[P, T]]: ...


def backend(function: Any = None, /, *, name: str | None = None, **options: Any) -> Any:
    """Make a function (sync or async, or a generator of either kind) a procedure, which clients call by ``name``.

    Arguments and result are validated and converted by their annotations, see
    https://docs.pydantic.dev/latest/concepts/conversion_table/ (strict, from JSON).  Each call is one transaction with
    this ``isolation`` and runs again after a conflict, at most ``retries`` times (settings ``ISOLATION``, ``RETRIES``);
    so keep effects outside the database in ``django.db.transaction.on_commit``.

    ``name``: default the function's.  ``egroup``: endpoint group, for filter rules, documentation and clients.
    ``perm``: what the procedure may do to stored data, a constant of ``kontract.perms``: read (R), write (W), delete
    (X); one without W and X can be called with GET.  ``ugroup``: the user group, or groups, of which a caller needs
    one.  ``errors``: subclasses of ``kontract.CallError`` that clients are told of.  ``etag``: False where the result
    depends on more than arguments, caller and stored data.

    Raises ``ConfigurationError`` for a function that cannot be called over JSON, and for a name that is taken.
    """
    if function is None:
        return functools.partial(backend, name=name, **options)
    wanted = getattr(function, "__name__", "") if name is None else name
    procedure = Procedure(name=wanted, function=function, **_normalise(**options))
    registry.register(procedure)
    return procedure


def _normalise(
    *, ugroup: str | Iterable[str] | None = None, errors: Iterable[type[CallError]] = (), **options: Any
) -> dict[str, Any]:
    groups = None if ugroup is None else frozenset([ugroup] if isinstance(ugroup, str) else ugroup)
    return {"ugroups": groups, "errors": tuple(errors), **options}
