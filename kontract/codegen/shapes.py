"""JSON Schemas of what procedures take and give: of all at once, since pydantic then looks at each type once."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final, NamedTuple, get_type_hints

from pydantic import ConfigDict, PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter
from typing_extensions import TypedDict

from kontract.codegen.schemas import Schema, Source, build_schemas
from kontract.exceptions import CallError, ConfigurationError
from kontract.rpc.codec import adapt_arguments, adapt_results, get_codec
from kontract.rpc.procedure import Procedure
from kontract.rpc.shape import Shape, read_shape

_ARGUMENTS: Final = ("", "arguments")
_RESULTS: Final = ("", "results")


class Described(NamedTuple):
    """Object schemas of arguments, and schemas of results, by procedure; of errors' members; and named types."""

    shapes: Mapping[str, Shape]
    arguments: Mapping[str, Schema]
    results: Mapping[str, Schema]
    members: Mapping[type[CallError], Schema]
    definitions: Mapping[str, Schema]
    inputs: Mapping[str, str]


def describe_shapes(procedures: Iterable[Procedure[..., Any]]) -> Described:
    """Return the schemas of procedures.  Raises ``ConfigurationError`` for an annotation that cannot be validated."""
    known = list(procedures)
    shapes = {procedure.name: read_shape(procedure) for procedure in known}
    errors = list(dict.fromkeys(error for procedure in known for error in procedure.errors))
    try:
        found, definitions, inputs = build_schemas(_list_sources(shapes, errors))
    except (PydanticUserError, PydanticUndefinedAnnotation):
        for procedure in known:
            get_codec(procedure)  # which says where the annotation is
        raise
    fitting, coming = found[_ARGUMENTS]["properties"], found[_RESULTS]["properties"]
    return Described(
        shapes=shapes,
        arguments={name: _join(name, shape, fitting) for name, shape in shapes.items()},
        results={name: coming[_name_result(n)] for n, name in enumerate(shapes)},
        members={error: found["error", str(n)] for n, error in enumerate(errors)},
        definitions=definitions,
        inputs=inputs,
    )


def _list_sources(shapes: Mapping[str, Shape], errors: Iterable[type[CallError]]) -> list[Source]:
    arguments = {_name_argument(name, p): a for name, shape in shapes.items() for p, a in shape.fields.items()}
    results = {_name_result(n): shape.result.type for n, shape in enumerate(shapes.values())}
    return [
        (_ARGUMENTS, "validation", adapt_arguments(arguments)),
        (_RESULTS, "serialization", adapt_results(results)),
        *((("error", str(n)), "serialization", _adapt(error)) for n, error in enumerate(errors)),
    ]


def _name_argument(procedure: str, parameter: str) -> str:
    return f"{procedure}({parameter})"


def _name_result(number: int) -> str:
    """Return a name that the field of a model may have."""
    return f"result_{number}"


def _adapt(error: type[CallError]) -> TypeAdapter[Any]:
    """Return the shape of an error's members of the problem document, which is not written by the settings of calls."""
    make: Any = TypedDict
    hints = get_type_hints(error, include_extras=True)
    shape = make("Members", {f.name: hints[f.name] for f in fields(error)} if is_dataclass(error) else {})
    shape.__pydantic_config__ = ConfigDict()
    return TypeAdapter(shape)


def _join(procedure: str, shape: Shape, fitting: Mapping[str, Schema]) -> Schema:
    """Return the object schema of a procedure's arguments."""
    try:
        properties = {parameter: fitting[_name_argument(procedure, parameter)] for parameter in shape.fields}
    except KeyError as error:
        raise ConfigurationError(
            f"The parameter {error.args[0]} has an alias. Rename the parameter itself: clients call it by its name."
        ) from error
    required = [parameter for parameter in shape.fields if parameter in shape.required]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}
