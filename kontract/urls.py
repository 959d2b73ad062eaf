"""kontract's URLs: ``path("kontract/", include("kontract.urls"))``."""

from django.urls import include, path, register_converter
from django.urls.converters import StringConverter

from kontract import views
from kontract.auth.serving import jwks
from kontract.codegen.cookbook import serving as cookbook
from kontract.codegen.serving import openapi
from kontract.events.view import events
from kontract.middleware import raystream
from kontract.rpc.registry import registry

app_name = "kontract"


class SyncProcedureConverter(StringConverter):
    """The name of a procedure that is synchronous, or of none."""

    def to_python(self, value: str) -> str:
        """Return the name, or raise ``ValueError``, on which Django goes on to the next pattern."""
        if registry.is_async(value):
            raise ValueError(value)
        return value


register_converter(SyncProcedureConverter, "sync_procedure")

urlpatterns = [  # tried one after another, so what is asked for most comes first
    path("rpc/<sync_procedure:name>", views.call, name="call"),
    path("rpc/<str:name>", views.acall),
    path("rpc", views.batch, name="batch"),
    path("events/", events, name="events"),
    path(raystream.PATH, raystream.unopened, name="raystream"),
    path("openapi.json", openapi, name="openapi"),
    path("docs/", include(cookbook.urlpatterns)),
    path("jwks.json", jwks, name="jwks"),
]
