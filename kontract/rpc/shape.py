"""What a procedure takes and gives, as its annotations say, before anything is made of these."""

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, get_type_hints

from kontract.exceptions import ConfigurationError
from kontract.rpc.annotations import Result, Upload, read_result, read_upload
from kontract.rpc.procedure import Procedure, signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """``fields`` are the annotations of all parameters but ``uploads``, ``required`` those without a default."""

    parameters: tuple[Parameter, ...]
    fields: Mapping[str, Any]
    required: frozenset[str]
    uploads: Mapping[str, Upload]
    result: Result


def read_shape(procedure: Procedure[..., Any]) -> Shape:
    """Return the shape of a procedure.  Raises ``ConfigurationError`` where an annotation cannot be resolved."""
    parameters = tuple(signature(procedure.function).parameters.values())
    hints = _resolve_hints(procedure)
    found = (read_upload(p.name, hints[p.name], required=p.default is p.empty) for p in parameters)
    uploads = {upload.name: upload for upload in found if upload is not None}
    rest = [p for p in parameters if p.name not in uploads]
    return Shape(
        parameters=parameters,
        fields={p.name: hints[p.name] for p in rest},
        required=frozenset(p.name for p in rest if p.default is p.empty),
        uploads=uploads,
        result=read_result(hints.get("return", Any), is_stream=procedure.is_stream),
    )


def _resolve_hints(procedure: Procedure[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(procedure.function, include_extras=True)
    except (NameError, SyntaxError) as error:
        raise ConfigurationError(
            f"An annotation of the procedure {procedure.place} cannot be resolved: {error}. Import its names at the "
            "top of the module, not only while type checking."
        ) from error
