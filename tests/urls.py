"""Mount kontract's URLs where the tests expect them."""

from django.urls import include, path

urlpatterns = [path("kontract/", include("kontract.urls"))]
