"""The settings of a server with the encrypted channel, whose sessions have to be resumed soon."""

import json
import os

from tests.typescript.settings import *  # noqa: F403
from tests.typescript.settings import KONTRACT, MIDDLEWARE

RAYSTREAM = json.loads(os.environ.get("KONTRACT_TEST_RAYSTREAM", "null"))
KONTRACT = {**KONTRACT, "RAYSTREAM": RAYSTREAM}
MIDDLEWARE = ["kontract.middleware.RaystreamMiddleware", *MIDDLEWARE]
ROOT_URLCONF = "tests.typescript.raystream.urls"
