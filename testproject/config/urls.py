"""The board of trips, the page that explains the atlas, and kontract's calls."""

from atlas.views import index
from django.urls import include, path
from trips.views import board

urlpatterns = [
    path("", board),
    path("atlas/", index),
    path("kontract/", include("kontract.urls")),
]
