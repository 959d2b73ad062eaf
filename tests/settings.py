"""The settings that the tests run with: on the server the environment names, else on an embedded one."""

from pathlib import Path

from kontract import embedded
from tests.settings_static import *  # noqa: F403

DATABASES = {"default": embedded.database_from_env(Path(__file__).parent.parent / ".pg" / "tests")}
