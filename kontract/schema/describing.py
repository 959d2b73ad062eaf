"""Texts for what models are made of: indexes, constraints, conditions, expressions.

Django's own ``repr`` differs between its versions; these are made of what ``deconstruct`` gives, and so stay the same.
"""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

_ABOUT_ERRORS = ("violation_error_message", "violation_error_code")  # which change nothing that is stored


def describe(value: Any) -> str:
    """Return the call that makes ``value``, or its ``repr`` where it is plain."""
    if isinstance(value, Q):
        return _describe_condition(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(describe, value))}]"
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "deconstruct"):
        path, args, kwargs = value.deconstruct()[-3:]  # a field's begins with its name
        return _describe_call(path.rpartition(".")[2], args, kwargs)
    return repr(value)


def _describe_condition(condition: Q) -> str:
    parts = [
        describe(child)
        if isinstance(child, Q)
        else f"{child[0]}={describe(child[1])}"
        if isinstance(child, tuple)
        else describe(child)
        for child in condition.children
    ]
    text = f"({f' {condition.connector} '.join(parts)})"
    return f"NOT {text}" if condition.negated else text


def _describe_call(name: str, args: Any, kwargs: Mapping[str, Any]) -> str:
    members = {key: value for key, value in sorted(kwargs.items()) if key not in _ABOUT_ERRORS}
    given = [describe(value) for value in args] + [f"{key}={describe(value)}" for key, value in members.items()]
    return f"{name}({', '.join(given)})"
