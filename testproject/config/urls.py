"""The page that explains the demo, and kontract's calls."""

from atlas.views import index
from django.urls import include, path

urlpatterns = [
    path("", index),
    path("kontract/", include("kontract.urls")),
]
