"""The ASGI application."""

import os
from typing import Any

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class Application(ASGIStaticFilesHandler):
    """Serve static files, too, as ``runserver`` does."""

    async def get_response_async(self, request: Any) -> Any:
        """Let browsers ask whether a copy is still good: the client is written anew whenever the demo starts."""
        response = await super().get_response_async(request)
        response["Cache-Control"] = "no-cache"
        return response


application = Application(get_asgi_application())
