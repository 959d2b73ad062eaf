"""Finding the project's procedures at start-up."""

from pathlib import Path

from kontract.conf import get_settings
from kontract.exceptions import ConfigurationError
from kontract.rpc.registry import registry
from kontract.rpc.routes import read_routes


def discover() -> None:
    """Learn which procedures there are; from then on they stay the same.

    By the manifest that the setting ``ROUTES`` names, which imports none of them; without it by importing the
    ``backend`` module of each installed app.  To be called when all models are loaded, because procedures use them.
    """
    if (path := _find_manifest()) is None:
        registry.load_all()
        return
    try:
        registry.defer(read_routes(path))
    except ConfigurationError as error:  # which the system check reports, and each call
        registry.close(str(error))


def _find_manifest() -> Path | None:
    try:
        path = get_settings().ROUTES
    except ConfigurationError:  # which another system check reports
        return None
    return None if path is None else Path(path)
