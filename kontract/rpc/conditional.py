"""``ETag`` and ``If-None-Match`` (RFC 9110, section 13) of calls with GET, by the txid that was read.

A read-only procedure returns the same for the same arguments, caller and snapshot; so where nothing was committed since
the client's copy was made, it is still good, and the procedure need not run.
"""

import json
from hashlib import blake2b
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers

from kontract.conf import get_settings
from kontract.context import get_call, get_namespace
from kontract.mvcc import clock
from kontract.rpc.options import Options
from kontract.rpc.procedure import Procedure
from kontract.rpc.reply import Reply
from kontract.tables.catalog import locate


def find_fresh(request: HttpRequest, procedure: Procedure[..., Any], options: Options) -> HttpResponseBase | None:
    """Return "304 Not Modified" where the client's copy is still good; None where the procedure has to run."""
    if not procedure.etag or "If-None-Match" not in request.headers:
        return None
    txid = options.as_of if isinstance(options.as_of, int) else clock.latest(*locate())
    etag = _etag(request, procedure, txid)
    response = get_conditional_response(request, etag=etag)
    if response is not None:
        response.headers["Kontract-Txid"] = str(txid)
        _describe(response, etag)
    return response


def mark(request: HttpRequest, procedure: Procedure[..., Any], reply: Reply, response: HttpResponseBase) -> None:
    """Tell the client under which ``ETag`` to keep the response, if it may."""
    if procedure.etag and reply.snapshot is not None:
        _describe(response, _etag(request, procedure, reply.snapshot))


def _describe(response: HttpResponseBase, etag: str) -> None:
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ("Cookie", "Authorization", "Kontract-As-Of"))


def _etag(request: HttpRequest, procedure: Procedure[..., Any], txid: int) -> str:
    call = get_call()
    caller = [call.owner, call.sid, sorted(call.ugroups), get_namespace()]
    asked = [procedure.name, request.META.get("QUERY_STRING", ""), request.headers.get("Kontract-As-Of")]
    text = json.dumps([caller, asked, get_settings().RELEASE])
    return f'"{txid}-{blake2b(text.encode(), digest_size=12).hexdigest()}"'
