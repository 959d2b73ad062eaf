"""What a procedure's return and parameter annotations mean beyond their type: files, streams, and control of HTTP."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from django.core.files.uploadedfile import UploadedFile

from kontract.rpc.results import Download, HttpResp

_STREAMS = (AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator)


class Upload(NamedTuple):
    """A parameter that takes a file, or with ``many`` a list of files."""

    name: str
    required: bool
    many: bool


class Result(NamedTuple):
    """What comes back: ``type`` is that of the JSON value, of one item where the procedure streams."""

    type: Any
    is_download: bool = False
    has_own_status: bool = False


def read_upload(name: str, annotation: Any, *, required: bool) -> Upload | None:
    """Return what a parameter takes if that is a file: ``UploadedFile``, that or None, or a list of it."""
    annotation = _strip(annotation)
    if get_origin(annotation) in (Union, UnionType):
        rest = [_strip(member) for member in get_args(annotation) if member is not NoneType]
        annotation = rest[0] if len(rest) == 1 else annotation
    if get_origin(annotation) is list:
        (item,) = get_args(annotation)
        return Upload(name, required, True) if _is_file(_strip(item)) else None
    return Upload(name, required, False) if _is_file(annotation) else None


def read_result(annotation: Any, *, is_stream: bool) -> Result:
    """Return what a return annotation promises."""
    annotation = _strip(annotation)
    if is_stream:
        members = get_args(annotation) if get_origin(annotation) in _STREAMS else ()
        return Result(members[0] if members else Any)
    has_own_status = (get_origin(annotation) or annotation) is HttpResp
    if has_own_status:
        annotation = _strip(get_args(annotation)[0]) if get_args(annotation) else Any
    if annotation is Download:
        return Result(None, True, has_own_status)
    return Result(annotation, False, has_own_status)


def _strip(annotation: Any) -> Any:
    """Return a type without what describes a file or a response no further."""
    if get_origin(annotation) is Annotated and _is_special(get_args(annotation)[0]):
        return get_args(annotation)[0]
    return annotation


def _is_special(annotation: Any) -> bool:
    kind = get_origin(annotation) or annotation
    return kind in (HttpResp, Download, *_STREAMS) or _is_file(kind)


def _is_file(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, UploadedFile)
