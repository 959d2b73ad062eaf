"""What ``@backend`` makes of a function, and what it refuses to."""

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import Parameter, Signature
from typing import Any, Generic, ParamSpec, TypeVar

from asgiref.sync import iscoroutinefunction
from pydantic.fields import FieldInfo

from kontract.conf import Isolation, Policy
from kontract.exceptions import CallError, ConfigurationError
from kontract.perms import RWX, Perm

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_EGROUP = "default"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_EGROUP = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Procedure(Generic[P, T]):
    """A function that clients may call; for Python it stays the function.

    ``egroup`` is its endpoint group, ``perm`` what it may do to stored data, ``ugroups`` the user groups of which a
    caller needs one (None: anybody may call), ``errors`` those that clients are told of.  ``etag``: whether what it
    returns depends on nothing but its arguments, its caller and stored data.  ``isolation`` and ``retries`` are those
    of its transaction (None: as the settings say), see ``kontract.transactional``.  ``raystream``: whether it must be
    called through the encrypted channel, or need not be (None: as its endpoint group and the settings say).

    ``is_async``: whether the function is a coroutine function, or an asynchronous generator.  ``is_stream``: whether it
    yields its results one by one.  ``is_read_only``: whether it may neither write nor delete.
    """

    name: str
    function: Callable[P, T]
    egroup: str = DEFAULT_EGROUP
    perm: Perm = RWX
    ugroups: frozenset[str] | None = None
    errors: tuple[type[CallError], ...] = ()
    etag: bool = True
    isolation: Isolation | None = None
    retries: int | None = None
    raystream: Policy | None = None
    is_async: bool = field(init=False)  # these three are asked for at every call
    is_stream: bool = field(init=False)
    is_read_only: bool = field(init=False)

    def __post_init__(self) -> None:
        _check_function(self.function)
        _check_name(self.name, self.place)
        _check_options(self)
        yields_async = inspect.isasyncgenfunction(self.function)
        object.__setattr__(self, "is_async", yields_async or iscoroutinefunction(self.function))
        object.__setattr__(self, "is_stream", yields_async or inspect.isgeneratorfunction(self.function))
        object.__setattr__(self, "is_read_only", not self.perm & (Perm.W | Perm.X))
        for parameter in signature(self.function).parameters.values():
            _check_parameter(parameter, self.place)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.function(*args, **kwargs)

    @property
    def __wrapped__(self) -> Callable[P, T]:
        """The function, for ``inspect.signature`` and its like."""
        return self.function

    @property
    def doc(self) -> str:
        """The function's docstring, without its indentation; "" where there is none."""
        return inspect.getdoc(self.function) or ""

    @property
    def module(self) -> str:
        """The module that defines the function."""
        return self.function.__module__

    @property
    def place(self) -> str:
        """Where the function is defined, for people."""
        code = inspect.unwrap(self.function).__code__
        return f"{self.module}.{self.function.__qualname__} ({code.co_filename}, line {code.co_firstlineno})"


def signature(function: Callable[..., Any]) -> Signature:
    """Return a function's signature without needing the names in its annotations, which may be defined further down."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    return inspect.signature(function)


def _check_function(function: object) -> None:
    if not inspect.isfunction(function):
        raise ConfigurationError(f"@backend decorates functions, and {function!r} is none. Wrap it in a function.")


def _check_options(procedure: Procedure[..., Any]) -> None:
    if not isinstance(procedure.perm, Perm):
        raise ConfigurationError(
            f"The procedure {procedure.place} has perm={procedure.perm!r}. Use a constant of kontract.perms, for "
            "example perms.RW_."
        )
    if not isinstance(procedure.egroup, str) or not _EGROUP.fullmatch(procedure.egroup):
        raise ConfigurationError(
            f"The procedure {procedure.place} has egroup={procedure.egroup!r}: use 1 to 100 ASCII letters, digits, "
            "'_', '.' or '-', beginning with a letter."
        )
    if procedure.raystream not in (None, "allowed", "required"):
        raise ConfigurationError(
            f"The procedure {procedure.place} has raystream={procedure.raystream!r}. Say 'allowed' or 'required'."
        )
    for error in procedure.errors:
        if not (inspect.isclass(error) and issubclass(error, CallError)):
            raise ConfigurationError(
                f"The procedure {procedure.place} declares the error {error!r}, which is no subclass of "
                "kontract.CallError."
            )


def _check_name(name: str, place: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot name the procedure {place}: use 1 to 100 ASCII letters, digits or '_', beginning with a "
            'letter. Give another one with @backend(name="...").'
        )


def _check_parameter(parameter: Parameter, place: str) -> None:
    """Refuse what a JSON object cannot carry, or what could not be validated."""
    if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
        stars, instead = ("*", "a list") if parameter.kind is Parameter.VAR_POSITIONAL else ("**", "a dict")
        raise ConfigurationError(
            f"The procedure {place} takes {stars}{parameter.name}, but a call names every argument. Take {instead} "
            "as one parameter."
        )
    if parameter.annotation is Parameter.empty:
        raise ConfigurationError(
            f"The parameter {parameter.name!r} of the procedure {place} has no annotation, so what clients send could "
            f"not be validated. Annotate it; typing.Any takes every JSON value."
        )
    if isinstance(parameter.default, FieldInfo):
        raise ConfigurationError(
            f"The parameter {parameter.name!r} of the procedure {place} has Field(...) as its default, which the "
            "function would get as it is. Write it into the annotation: Annotated[..., Field(...)]."
        )
