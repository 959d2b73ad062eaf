"""Between JSON and a procedure's Python values, by its annotations.

The parameters are one pydantic schema, a ``TypedDict`` made from the annotations: so a parameter may have any name,
errors have a path that begins with it, and clients can be described by the same schema.  The result is another.
Files are neither: they come and go beside the JSON.
Arguments are read strictly: a date comes from its ISO text, but no number comes from text or from ``true``.  Results
are read leniently, so that a document, where dates are text, fits ``-> Event``; keys unknown to it are left out.
"""

import functools
from collections.abc import Mapping
from inspect import Parameter
from typing import Any, NotRequired, TypeVar

from django.db.models import QuerySet
from pydantic import (
    BaseModel,
    ConfigDict,
    PydanticUndefinedAnnotation,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticSerializationError, to_json
from typing_extensions import TypedDict

from kontract.exceptions import ConfigurationError, InvalidArgumentsError, InvalidRequestError, InvalidResultError
from kontract.rpc.envelope import Arguments
from kontract.rpc.procedure import Procedure
from kontract.rpc.results import Download
from kontract.rpc.shape import read_shape
from kontract.tables.query import TableQuery

# Bytes travel as base64, because JSON is text; NaN does not travel.
CONFIG = ConfigDict(allow_inf_nan=False, ser_json_bytes="base64", val_json_bytes="base64")
T = TypeVar("T")
_SHOWN = 20  # errors told to the client, of one call


class Codec:
    """Reads the arguments of one procedure and writes its results."""

    def __init__(self, procedure: Procedure[..., Any]) -> None:
        self._procedure = procedure
        shape = read_shape(procedure)
        self.positional = [p.name for p in shape.parameters if p.kind is not Parameter.KEYWORD_ONLY]
        self._positional_only = {p.name: p.default for p in shape.parameters if p.kind is Parameter.POSITIONAL_ONLY}
        self.uploads = shape.uploads
        self.is_download = shape.result.is_download
        fields = {name: a if name in shape.required else NotRequired[a] for name, a in shape.fields.items()}
        try:
            self.arguments = adapt_arguments(fields)
            self.result = adapt_results({"result": shape.result.type})
        except (PydanticUserError, PydanticUndefinedAnnotation) as error:
            raise ConfigurationError(
                f"An annotation of the procedure {procedure.place} cannot be validated: {error.message}"
            ) from error

    def decode(self, arguments: Arguments) -> tuple[list[Any], dict[str, Any]]:
        """Return the positional and keyword arguments to call the function with.

        Raises ``InvalidArgumentsError``, and ``InvalidRequestError`` for text that is not Unicode.
        """
        text = self._write(arguments) if arguments.text is None else arguments.text
        try:
            values = self.arguments.validator.validate_json(text, strict=True)
        except ValidationError as error:
            raise self._invalid(_explain(error)) from None
        if self.uploads or arguments.files:
            values |= self._check_files(arguments.files)
        return self._bind(values)

    def _write(self, arguments: Arguments) -> bytes:
        """Return all arguments by parameter, as JSON text."""
        try:
            return to_json(self._name(arguments))
        except PydanticSerializationError as error:  # what came from JSON has no other fault
            raise InvalidRequestError(
                "A text has a lone surrogate, which is not Unicode, or the nesting is too deep."
            ) from error

    def _check_files(self, files: Mapping[str, list[Any]]) -> dict[str, Any]:
        """Return the files by parameter, as the function takes them."""
        errors = [
            _upload_error(name, "no file is taken here", "unexpected_file") for name in files.keys() - self.uploads
        ]
        for name, upload in self.uploads.items():
            count = len(files.get(name, []))
            if not count and upload.required:
                errors.append(_upload_error(name, "a file is needed", "missing_file"))
            if count > 1 and not upload.many:
                errors.append(_upload_error(name, f"{count} files, but one is taken", "too_many_files"))
        if errors:
            raise self._invalid(errors)
        return {
            name: files[name] if upload.many else files[name][0]
            for name, upload in self.uploads.items()
            if files.get(name)
        }

    def _name(self, arguments: Arguments) -> dict[str, Any]:
        """Return all arguments by parameter; those too many by position."""
        if len(arguments.args) > len(self.positional):
            message = f"{len(arguments.args)} arguments by position, but at most {len(self.positional)} are taken"
            raise self._invalid([{"path": [len(self.positional)], "message": message, "type": "too_many_arguments"}])
        return arguments.kwargs | dict(zip(self.positional, arguments.args, strict=False))

    def _bind(self, values: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Separate what the function takes by position only, where no default can be left out before another one."""
        return [values.pop(name, default) for name, default in self._positional_only.items()], values

    def _invalid(self, errors: list[dict[str, Any]]) -> InvalidArgumentsError:
        first = errors[0]
        path = ".".join(map(str, first["path"])) or "arguments"
        return InvalidArgumentsError(
            f"{self._procedure.name}() cannot take {path}: {first['message'].rstrip('.')}.", errors
        )

    def encode(self, result: object) -> bytes:
        """Return the JSON text of ``{"result": result}``.

        Raises ``InvalidResultError``, whose message is for the log: it may quote the result.
        """
        try:
            value = self.result.validator.validate_python({"result": _as_list(result)})
            return self.result.serializer.to_json(value, by_alias=True)
        except ValueError as error:  # pydantic's errors are such
            raise self._invalid_result(str(error)) from error

    def encode_item(self, item: object) -> bytes:
        """Return the JSON text of one item of a stream.  Raises ``InvalidResultError``."""
        return self.encode(item)[len(b'{"result":') : -1]

    def check_download(self, result: object) -> Download:
        """Return the file that the procedure returned.  Raises ``InvalidResultError`` where it is none."""
        if not isinstance(result, Download):
            raise self._invalid_result(f"{type(result).__name__} is no Download.")
        return result

    def _invalid_result(self, reason: str) -> InvalidResultError:
        return InvalidResultError(
            f"The procedure {self._procedure.place} returned what does not fit its annotation: {reason}"
        )


def adapt_arguments(fields: dict[str, Any]) -> "TypeAdapter[dict[str, Any]]":
    """Return what reads an object with these members."""
    make: Any = TypedDict  # for type checkers, its fields must be written out
    shape = make("Arguments", fields)
    shape.__pydantic_config__ = CONFIG | {"extra": "forbid"}
    return _complete(TypeAdapter(shape))


def adapt_results(annotations: dict[str, Any]) -> TypeAdapter[BaseModel]:
    """Return what writes an object with these members: a model, because only its settings govern how bytes are."""
    fields: dict[str, Any] = {name: (annotation, ...) for name, annotation in annotations.items()}
    return _complete(TypeAdapter(create_model("Result", __config__=CONFIG, **fields)))


def _complete(adapter: TypeAdapter[T]) -> TypeAdapter[T]:
    """Raise for names that are not defined yet, for which pydantic waits."""
    adapter.rebuild(raise_errors=True)
    return adapter


def _as_list(result: object) -> object:
    """Run a query, which for pydantic is no list."""
    return list(result) if isinstance(result, (QuerySet, TableQuery)) else result


def _upload_error(name: str, message: str, kind: str) -> dict[str, Any]:
    return {"path": [name[:100]], "message": message, "type": kind}


def _explain(error: ValidationError) -> list[dict[str, Any]]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [{"path": _shorten(e["loc"]), "message": e["msg"], "type": e["type"]} for e in found[:_SHOWN]]


def _shorten(path: tuple[int | str, ...]) -> list[int | str]:
    """Return a path that is not much longer than the client's own names for things should be."""
    return [part[:100] if isinstance(part, str) else part for part in path]


@functools.cache
def get_codec(procedure: Procedure[..., Any]) -> Codec:
    """Return the procedure's codec, built once.

    Raises ``ConfigurationError`` where an annotation cannot be resolved or validated.
    """
    return Codec(procedure)
