"""The public keys with which others verify access tokens."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from kontract.auth.tokens import list_public_keys


@require_safe
def jwks(request: HttpRequest) -> HttpResponse:
    """Answer with the key set (RFC 7517), which is empty unless ``KONTRACT["AUTH"]["algorithm"]`` is "EdDSA"."""
    headers = {"Cache-Control": "public, max-age=300"}
    return JsonResponse({"keys": list_public_keys()}, content_type="application/jwk-set+json", headers=headers)
