"""The server that the TypeScript client calls."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.typescript.settings")
application = get_asgi_application()
