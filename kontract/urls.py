"""kontract's URLs: ``path("kontract/", include("kontract.urls"))``."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from kontract import views
from kontract.rpc.registry import registry

app_name = "kontract"


class AsyncProcedureConverter(StringConverter):
    """The name of a procedure that is a coroutine function."""

    def to_python(self, value: str) -> str:
        """Return the name, or raise ``ValueError``, on which Django goes on to the next pattern."""
        if value not in registry or not registry.get(value).is_async:
            raise ValueError(value)
        return value


register_converter(AsyncProcedureConverter, "async_procedure")

urlpatterns = [
    path("rpc", views.batch, name="batch"),
    path("rpc/<async_procedure:name>", views.acall),
    path("rpc/<str:name>", views.call, name="call"),
]
