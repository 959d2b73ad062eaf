"""Which procedures there are: ``@backend`` adds them, and nothing else can be called.

Each is known by its ``Route``, and loaded once its module is imported.  Without a manifest of routes all are loaded at
start-up.  With one (see ``kontract.rpc.routes``) a module is imported at the first call of one of its procedures, and
what it then registers must be what the manifest says.
"""

import asyncio
import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple, overload

from django.utils.module_loading import autodiscover_modules

from kontract.conf import Isolation, Policy
from kontract.exceptions import CallError, ConfigurationError, ProcedureNotFound
from kontract.perms import RWX, Perm
from kontract.rpc.origin import Origin, find_origin
from kontract.rpc.procedure import DEFAULT_EGROUP, P, Procedure, T
from kontract.rpc.route import Route, route_of

logger = logging.getLogger("kontract.rpc")

_REMEDY: Final = "Write the manifest of routes anew: manage.py kontract_compile --routes PATH"


class _Found(NamedTuple):
    """A procedure that a module has registered."""

    procedure: Procedure[..., Any]
    route: Route
    origin: Origin | None

    @property
    def is_current(self) -> bool:
        return self.origin is None or self.origin.is_current


class Registry:
    """Procedures by name; complete after ``load_all`` or ``defer``."""

    def __init__(self) -> None:
        self._routes: dict[str, Route] = {}  # of all that can be called
        self._procedures: dict[str, Procedure[..., Any]] = {}  # of these, what need not be imported any more
        self._found: dict[str, _Found] = {}  # whatever was registered
        self._is_complete = False
        self._is_deferred = False
        self._fault: str | None = None

    def register(self, procedure: Procedure[..., Any]) -> None:
        """Add a procedure.

        Raises ``ConfigurationError`` where its name is taken, or when everything is loaded.  One that the manifest of
        routes does not name can be called by Python alone, and the log says so.
        """
        origin = find_origin()
        found = _Found(procedure, route_of(procedure, origin.module if origin else None), origin)
        if (other := self._found.get(procedure.name)) is not None and other.is_current:
            raise ConfigurationError(
                f"Two procedures are named {procedure.name!r}: {other.procedure.place} and {procedure.place}. Rename "
                'one of them, or call it otherwise with @backend(name="...").'
            )
        if self._is_complete and not self._is_deferred:
            raise ConfigurationError(
                f"The procedure {procedure.place} is defined after start-up, when clients may have been told what "
                "there is. Define it in the backend.py of an installed app, or in a module imported there."
            )
        self._found[procedure.name] = found
        if self._is_deferred:
            self._warn_unless_known(found)
        else:
            self._routes[procedure.name], self._procedures[procedure.name] = found.route, procedure

    def load_all(self) -> None:
        """Import the ``backend`` module of each installed app; from then on the procedures stay the same.

        Whatever a manifest says is forgotten.  Raises what a module raises that cannot be imported.
        """
        self._is_complete = self._is_deferred = False
        autodiscover_modules("backend")
        found = {name: each for name, each in self._found.items() if each.is_current}
        self._routes = {name: each.route for name, each in found.items()}
        self._procedures = {name: each.procedure for name, each in found.items()}
        self._is_complete, self._fault = True, None

    def defer(self, routes: Mapping[str, Route]) -> None:
        """Take ``routes`` for all there are, and import the module of each at its first call."""
        self._routes, self._procedures = dict(routes), {}
        self._is_complete = self._is_deferred = True
        for found in self._found.values():
            self._warn_unless_known(found)

    def close(self, fault: str) -> None:
        """Take no procedures, and let every call fail with this ``fault``."""
        self.defer({})
        self._fault = fault

    def get(self, name: str) -> Procedure[..., Any]:
        """Return the procedure of this name, which may import its module.

        Raises ``ProcedureNotFound``; ``ConfigurationError`` where the import fails, which the next call tries again, or
        where the manifest of routes says something else.
        """
        if (procedure := self._procedures.get(name)) is None:
            procedure = self._procedures[name] = self._load(self.describe(name))
        return procedure

    async def aget(self, name: str) -> Procedure[..., Any]:
        """See get().  A module is imported by a thread, so that the event loop goes on."""
        if (procedure := self._procedures.get(name)) is None:
            self.describe(name)  # which refuses an unknown name at once
            procedure = await asyncio.to_thread(self.get, name)
        return procedure

    def describe(self, name: str) -> Route:
        """Return the metadata of the procedure of this name, importing nothing.  Raises ``ProcedureNotFound``."""
        if self._fault is not None:
            raise ConfigurationError(self._fault)
        if (route := self._routes.get(name)) is None:
            raise ProcedureNotFound(f"There is no procedure {name[:100]!a}.")
        return route

    def is_async(self, name: str) -> bool:
        """Return whether there is a procedure of this name and it is asynchronous, importing nothing."""
        return (route := self._routes.get(name)) is not None and route.is_async

    def routes(self) -> list[Route]:
        """Return the metadata of all procedures by name, importing nothing."""
        return [self._routes[name] for name in sorted(self._routes)]

    def loaded(self) -> list[Procedure[..., Any]]:
        """Return the procedures whose modules are imported, by name."""
        return [found.procedure for _, found in sorted(self._found.items()) if found.is_current]

    @property
    def fault(self) -> str | None:
        """Why there are no procedures, where the manifest of routes cannot be used."""
        return self._fault

    def __contains__(self, name: object) -> bool:
        return name in self._routes

    def __iter__(self) -> Iterator[Procedure[..., Any]]:
        """Yield all procedures by name, importing those that are not loaded."""
        return (self.get(name) for name in sorted(self._routes))

    def __len__(self) -> int:
        return len(self._routes)

    def _load(self, route: Route) -> Procedure[..., Any]:
        self._import(route)
        found = self._found.get(route.name)
        if found is None or not found.is_current:
            raise ConfigurationError(
                f"The manifest of routes says that {route.module} has the procedure {route.name!r}, but it has none of "
                f"that name. {_REMEDY}"
            )
        if drift := route.find_drift(found.route):
            raise ConfigurationError(
                f"The procedure {found.procedure.place} is not what the manifest of routes says: {drift}. {_REMEDY}"
            )
        return found.procedure

    def _import(self, route: Route) -> None:
        try:
            import_module(route.module)  # of several threads one does so, and the others wait
        except Exception as error:
            raise ConfigurationError(
                f"The procedure {route.name!r} cannot be called, because its module {route.module} cannot be imported: "
                f"{type(error).__name__}: {error}. If the module has moved: {_REMEDY}"
            ) from error

    def _warn_unless_known(self, found: _Found) -> None:
        if found.procedure.name not in self._routes:
            logger.error("Clients cannot call %s: the manifest lacks it. %s", found.procedure.place, _REMEDY)


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
    raystream: Policy | None = None,
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
    depends on more than arguments, caller and stored data.  ``raystream``: "required" where it is to be called through
    the encrypted channel only, "allowed" where it need not be, whatever its endpoint group and the settings say.

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
