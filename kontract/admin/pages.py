"""What the admin's pages have in common: where they are, what they are made of, and who writes through them."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote
from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from kontract.context import calling, get_call
from kontract.exceptions import ConflictError

View = Callable[..., HttpResponse]


def templates(model_admin: Any, name: str) -> list[str]:
    """Return the templates of a page in the order of preference: those of a project's own before ours."""
    opts = model_admin.opts
    places = (f"admin/{opts.app_label}/{opts.model_name}", f"admin/{opts.app_label}", "admin/kontract")
    return [f"{place}/{name}" for place in places]


def render(model_admin: Any, request: HttpRequest, name: str, context: dict[str, Any]) -> TemplateResponse:
    """Return a page of the admin, with all that its base template needs."""
    request.current_app = model_admin.admin_site.name
    common = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "module_name": str(capfirst(model_admin.opts.verbose_name_plural)),
        "media": model_admin.media,
        "subtitle": None,
    }
    return TemplateResponse(request, templates(model_admin, name), {**common, **context})


def url_of(model_admin: Any, page: str, *args: Any) -> str:
    """Return the address of a page of this model's: ``changelist``, ``deleted``, ``history``, ``version`` ..."""
    opts = model_admin.opts
    name = f"admin:{opts.app_label}_{opts.model_name}_{page}"
    return reverse(name, args=[quote(arg) for arg in args], current_app=model_admin.admin_site.name)


def authored(view: View) -> View:
    """Let the log say that the request's user wrote, and on which page; answer a conflict with a message.

    A view is not run again after a conflict: a project's own code in it may send messages, or pay somebody.
    """

    @functools.wraps(view)
    def run(model_admin: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        call = get_call()
        route = request.resolver_match.view_name if request.resolver_match else call.route
        owner = call.owner or str(request.user.pk or "")
        with calling(replace(call, owner=owner, is_anonymous=not owner, route=route, request=request)):
            try:
                return view(model_admin, request, *args, **kwargs)
            except ConflictError:
                return _tell_conflict(model_admin, request)

    return run


def _tell_conflict(model_admin: Any, request: HttpRequest) -> HttpResponse:
    for _message in get_messages(request):
        pass  # reading them drops them: they tell of what was then not saved
    text = _("Somebody else changed the same at the same moment, so nothing was saved. Look at it, and try again.")
    model_admin.message_user(request, text, messages.ERROR)
    return HttpResponseRedirect(request.get_full_path())
