"""An app with one endpoint, written with kontract, in bare Django, and with Django's frameworks for APIs."""
