"""Finding the project's procedures."""

from django.utils.module_loading import autodiscover_modules

from kontract.rpc.registry import registry


def discover() -> None:
    """Import the ``backend`` module of each installed app; from then on the procedures stay the same.

    To be called when all models are loaded, because procedures use them.
    """
    autodiscover_modules("backend")
    registry.freeze()
