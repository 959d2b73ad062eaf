"""A page that tells what can be called."""

import inspect

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from atlas.examples import get_examples
from kontract.rpc.procedure import Procedure
from kontract.rpc.registry import registry


def index(request: HttpRequest) -> HttpResponse:
    """List the procedures, and calls to try."""
    root = request.build_absolute_uri("/")
    context = {
        "procedures": [(procedure.name, describe_parameters(procedure), procedure.doc) for procedure in registry],
        "examples": [(example.title, example.curl(root)) for example in get_examples()],
    }
    return render(request, "atlas/index.html", context)


def describe_parameters(procedure: Procedure[..., object]) -> str:
    """Return the parameters with their defaults: ``(limit=10, offset=0)``."""
    signature = inspect.signature(procedure)
    bare = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))
