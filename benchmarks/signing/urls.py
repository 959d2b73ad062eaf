"""Where the procedures are mounted."""

from django.urls import include, path

urlpatterns = [path("kontract/", include("kontract.urls"))]
