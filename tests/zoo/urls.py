"""The zoo's URLs: all of kontract's."""

from django.urls import include, path

from kontract.codegen.serving import openapi

urlpatterns = [path("kontract/openapi.json", openapi), path("kontract/", include("kontract.urls"))]
