"""Mount kontract, and tell how often live queries have run."""

from django.http import HttpRequest, JsonResponse
from django.urls import include, path

from kontract.events.live import get_lives


async def runs(request: HttpRequest) -> JsonResponse:
    """Return how many live queries there are, and how often they have run in all."""
    lives = get_lives().count_runs()
    return JsonResponse({"lives": len(lives), "runs": sum(lives)})


urlpatterns = [path("kontract/", include("kontract.urls")), path("runs", runs)]
