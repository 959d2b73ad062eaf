"""The language-neutral description of all procedures, from which every text is generated.

Types are JSON Schema (draft 2020-12) as ``kontract.codegen.schemas`` makes it.  Everything is sorted by name, so that
the same project gives the same manifest on every machine.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic_core import PydanticSerializationError

from kontract.codegen.channel import ChannelEntry, describe_channel
from kontract.codegen.schemas import Schema
from kontract.codegen.shapes import Described, describe_shapes
from kontract.conf import Policy
from kontract.exceptions import CallError, ConfigurationError
from kontract.perms import Perm
from kontract.rpc.channel import find_policy
from kontract.rpc.procedure import Procedure
from kontract.rpc.shape import Shape

_ANY: TypeAdapter[Any] = TypeAdapter(Any, config=ConfigDict(ser_json_bytes="base64"))


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadEntry:
    """A parameter that is a file, or with ``many`` a list of files."""

    name: str
    required: bool
    many: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEntry:
    """A declared error.  ``name`` is its class, ``members`` the object schema of its fields in the problem document."""

    name: str
    code: str
    status: int
    doc: str
    members: Schema

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from other errors."""
        return self.name, self.code


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureEntry:
    """One procedure.

    ``arguments`` is an object schema: its ``properties`` are the parameters but files, in the function's order; those
    not in ``required`` have a default, which is given as ``default`` where JSON can tell it.  ``positional`` names the
    parameters, files too, that are not keyword-only.  ``result`` is the schema of the value, of one item where
    ``is_stream``, of nothing (null) where ``is_download``.  ``has_own_status``: whether it succeeds with other statuses
    than 200, too.  ``perm`` is written as ``"RW_"``; ``ugroups`` is None where anybody may call.  ``raystream``
    says whether calls must come through the encrypted channel; None where there is none, and none is required.
    """

    name: str
    egroup: str
    doc: str
    perm: str
    ugroups: tuple[str, ...] | None
    raystream: Policy | None
    is_read_only: bool
    is_stream: bool
    is_download: bool
    has_own_status: bool
    has_etag: bool
    uploads: tuple[UploadEntry, ...]
    positional: tuple[str, ...]
    arguments: Schema
    result: Schema
    errors: tuple[ErrorEntry, ...]

    @property
    def has_get(self) -> bool:
        """Whether it can be called with GET."""
        return self.is_read_only and not self.is_stream and not self.uploads


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All procedures, and the named types that they share, as ``{"$ref": "#/$defs/<name>"}`` refers to them.

    ``inputs`` pairs those that are read with their like that is written, ``{"UserInput": "User"}``: the two differ in
    which fields are required, or in more.  ``channel`` is None where there is no encrypted one.
    """

    procedures: tuple[ProcedureEntry, ...] = ()
    definitions: Mapping[str, Schema] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    channel: ChannelEntry | None = None

    @property
    def errors(self) -> tuple[ErrorEntry, ...]:
        """Every declared error once, by name and code."""
        found = {error.key: error for entry in self.procedures for error in entry.errors}
        return tuple(found[key] for key in sorted(found))


def build_manifest(procedures: Iterable[Procedure[..., Any]]) -> Manifest:
    """Describe procedures.

    Raises ``ConfigurationError`` for an annotation that cannot be validated, and for errors that cannot be told apart.
    """
    known = sorted(procedures, key=lambda procedure: procedure.name)
    _check_errors(known)
    described = describe_shapes(known)
    channel = describe_channel()
    return Manifest(
        procedures=tuple(_describe(procedure, described, has_channel=channel is not None) for procedure in known),
        definitions=described.definitions,
        inputs=described.inputs,
        channel=channel,
    )


def _check_errors(procedures: Sequence[Procedure[..., Any]]) -> None:
    """Raise unless clients can tell each error by its code, and by its class's name with that."""
    seen: dict[tuple[str, str], type[CallError]] = {}
    for procedure in procedures:
        by_code: dict[str, type[CallError]] = {}
        for error in procedure.errors:
            other = by_code.setdefault(error.code, error)
            other = seen.setdefault((error.__name__, error.code), error) if other is error else other
            if other is not error:
                raise ConfigurationError(
                    f"The errors {_place(other)} and {_place(error)} both have the code {error.code!r}, so clients of "
                    f"{procedure.name} could not tell them apart. Give each a code of its own."
                )


def _place(error: type[CallError]) -> str:
    return f"{error.__module__}.{error.__qualname__}"


def _describe(procedure: Procedure[..., Any], described: Described, *, has_channel: bool) -> ProcedureEntry:
    policy, shape = find_policy(procedure), described.shapes[procedure.name]
    return ProcedureEntry(
        name=procedure.name,
        egroup=procedure.egroup,
        doc=procedure.doc,
        perm=_write_perm(procedure.perm),
        ugroups=None if procedure.ugroups is None else tuple(sorted(procedure.ugroups)),
        raystream=policy if has_channel or policy == "required" else None,
        is_read_only=procedure.is_read_only,
        is_stream=procedure.is_stream,
        is_download=shape.result.is_download,
        has_own_status=shape.result.has_own_status,
        has_etag=procedure.etag,
        uploads=tuple(UploadEntry(name=u.name, required=u.required, many=u.many) for u in shape.uploads.values()),
        positional=tuple(p.name for p in shape.parameters if p.kind is not Parameter.KEYWORD_ONLY),
        arguments=_add_defaults(described.arguments[procedure.name], shape),
        result=described.results[procedure.name],
        errors=tuple(
            ErrorEntry(
                name=error.__name__,
                code=error.code,
                status=int(error.http_status),
                doc=error.summary(),
                members=described.members[error],
            )
            for error in sorted(procedure.errors, key=lambda error: (error.__name__, error.code))
        ),
    )


def _add_defaults(arguments: Schema, shape: Shape) -> Schema:
    """Return the schema of the arguments with the defaults that JSON can tell."""
    defaults = {parameter.name: parameter.default for parameter in shape.parameters}
    properties = {
        name: {**schema, **_write_default(defaults[name])} for name, schema in arguments["properties"].items()
    }
    return {**arguments, "properties": properties}


def _write_default(default: Any) -> dict[str, Any]:
    try:
        return {} if default is Parameter.empty else {"default": json.loads(_ANY.dump_json(default))}
    except (PydanticSerializationError, ValueError):
        return {}


def _write_perm(perm: Perm) -> str:
    return "".join(bit.name or "_" if perm & bit else "_" for bit in (Perm.R, Perm.W, Perm.X))
