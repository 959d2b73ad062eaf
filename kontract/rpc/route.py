"""What can be known of a procedure without importing it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from kontract.conf import Policy
from kontract.exceptions import ConfigurationError
from kontract.perms import Perm, show
from kontract.rpc.procedure import Procedure

_PERMS = {show(Perm(n)): Perm(n) for n in range(8)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A procedure's metadata.  Importing ``module`` registers it; ``function`` is where its function is written."""

    name: str
    module: str
    function: str
    is_async: bool
    is_stream: bool
    egroup: str
    perm: Perm
    ugroups: frozenset[str] | None
    etag: bool
    raystream: Policy | None

    @property
    def is_read_only(self) -> bool:
        """Whether the procedure may neither write nor delete."""
        return not self.perm & (Perm.W | Perm.X)

    def find_drift(self, now: "Route") -> str:
        """Say in what the procedure differs ``now``; "" if it does not, wherever it was imported from."""
        now = replace(now, module=self.module)
        differing = [f.name for f in fields(self) if getattr(self, f.name) != getattr(now, f.name)]
        before, after = as_entry(self), as_entry(now)
        return "; ".join(f"{name} was {before[name]!r} and is {after[name]!r}" for name in differing)


def route_of(procedure: Procedure[..., Any], module: str | None = None) -> Route:
    """Return the metadata of a procedure that is registered by ``module`` (default: the one with its function)."""
    return Route(
        name=procedure.name,
        module=module or procedure.module,
        function=f"{procedure.module}.{procedure.function.__qualname__}",
        is_async=procedure.is_async,
        is_stream=procedure.is_stream,
        egroup=procedure.egroup,
        perm=procedure.perm,
        ugroups=procedure.ugroups,
        etag=procedure.etag,
        raystream=procedure.raystream,
    )


def as_entry(route: Route) -> dict[str, Any]:
    """Return a route as JSON has it: all but its name."""
    entry = {f.name: getattr(route, f.name) for f in fields(route) if f.name != "name"}
    ugroups = None if route.ugroups is None else sorted(route.ugroups)
    return entry | {"perm": show(route.perm), "ugroups": ugroups}


_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("module", "function", "egroup", "perm"), (str,)),
    **dict.fromkeys(("is_async", "is_stream", "etag"), (bool,)),
    "ugroups": (list, type(None)),
    "raystream": (str, type(None)),
}


def from_entry(name: str, entry: Any) -> Route:
    """Return the route that ``as_entry`` wrote.  Raises ``ConfigurationError`` for anything else."""
    fits = isinstance(entry, Mapping) and entry.keys() == _TYPES.keys()
    if not fits or not all(isinstance(entry[key], types) for key, types in _TYPES.items()):
        raise ConfigurationError(f"The entry of the procedure {name[:100]!a} is not one that kontract_compile writes.")
    if entry["perm"] not in _PERMS or not all(isinstance(group, str) for group in entry["ugroups"] or ()):
        raise ConfigurationError(f"The entry of the procedure {name[:100]!a} has impossible perm or ugroups.")
    if entry["raystream"] not in (None, "allowed", "required"):
        raise ConfigurationError(f"The entry of the procedure {name[:100]!a} has an impossible raystream.")
    ugroups = None if entry["ugroups"] is None else frozenset(entry["ugroups"])
    return Route(**{**entry, "name": name, "perm": _PERMS[entry["perm"]], "ugroups": ugroups})
