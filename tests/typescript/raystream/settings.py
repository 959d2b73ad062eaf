"""The settings of a server with the encrypted channel, whose sessions have to be resumed soon."""

import json
import os
from typing import Any

from tests.typescript.settings import *  # noqa: F403
from tests.typescript.settings import DATABASES, KONTRACT, MIDDLEWARE

DATABASES["default"]["OPTIONS"] = {**DATABASES["default"].get("OPTIONS", {}), "pool": {"min_size": 1, "max_size": 4}}
RAYSTREAM = json.loads(os.environ.get("KONTRACT_TEST_RAYSTREAM", "null"))
EVENTS: dict[str, Any] = {"tables": {"lab_counts": None}}
KONTRACT = {**KONTRACT, "RAYSTREAM": RAYSTREAM, "EVENTS": EVENTS}
MIDDLEWARE = ["kontract.middleware.RaystreamMiddleware", *MIDDLEWARE]
ROOT_URLCONF = "tests.typescript.raystream.urls"
