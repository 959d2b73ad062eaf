"""Objects that travel as JSON, and arguments that are left to the server."""

from enum import Enum
from typing import Any, Final, Literal, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter
from typing_extensions import TypedDict

# As the server has it: bytes travel as base64, NaN does not travel.
_WIRE = ConfigDict(allow_inf_nan=False, ser_json_bytes="base64", val_json_bytes="base64")


class _Unset(Enum):
    """The type of UNSET; an enumeration, since its members survive being copied."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return self.name


# Stands for an argument or a field that is not sent, so that the server's default applies.
UNSET: Final[Any] = _Unset.UNSET


class Structure(BaseModel):
    """Base of the objects that a generated client sends and receives.

    Only what was given, or came from the server, is sent: so new fields with defaults do not break old clients.
    """

    model_config = ConfigDict(**_WIRE, populate_by_name=True, protected_namespaces=())

    def model_post_init(self, context: Any, /) -> None:
        """Send what has one value only, too: it tells which of several types an object has."""
        for name, field in type(self).model_fields.items():
            if field.default is not UNSET and get_origin(field.annotation) is Literal:
                self.__pydantic_fields_set__.add(name)


def build_shape(fields: dict[str, Any]) -> TypeAdapter[dict[str, Any]]:
    """Return the schema of a JSON object; each of its keys may be missing."""
    make: Any = TypedDict  # for type checkers, its fields must be written out
    shape = make("Shape", fields, total=False)
    shape.__pydantic_config__ = _WIRE
    return TypeAdapter(shape)
