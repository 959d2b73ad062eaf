"""The page; what it shows comes by calls."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
def board(request: HttpRequest) -> HttpResponse:
    """Return the page."""
    return render(request, "trips/board.html")
