"""Where each endpoint is mounted."""

from django.urls import include, path

from benchmarks.endpoints import views

urlpatterns = [
    path("kontract/", include("kontract.urls")),
    path("bare/orders", views.bare),
    path("bare-async/orders", views.bare_async),
    path("ninja/", views.ninja.urls),
    path("rest/orders", views.RestView.as_view()),
    path("modern/orders", views.ModernController.as_view()),
]
