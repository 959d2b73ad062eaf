"""kontract's URLs: ``path("kontract/", include("kontract.urls"))``."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from kontract import views
from kontract.auth.serving import jwks
from kontract.codegen.serving import openapi
from kontract.middleware import raystream
from kontract.rpc.registry import registry

app_name = "kontract"


class AsyncProcedureConverter(StringConverter):
    """The name of an asynchronous procedure."""

    def to_python(self, value: str) -> str:
        """Return the name, or raise ``ValueError``, on which Django goes on to the next pattern."""
        if not registry.is_async(value):
            raise ValueError(value)
        return value


register_converter(AsyncProcedureConverter, "async_procedure")

urlpatterns = [
    path(raystream.PATH, raystream.unopened, name="raystream"),
    path("jwks.json", jwks, name="jwks"),
    path("openapi.json", openapi, name="openapi"),
    path("rpc", views.batch, name="batch"),
    path("rpc/<async_procedure:name>", views.acall),
    path("rpc/<str:name>", views.call, name="call"),
]
