"""Several calls in one request: each is answered as if it had come alone."""

import copy
import json
from io import BytesIO
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from kontract.conf import get_settings
from kontract.exceptions import InvalidRequestError
from kontract.rpc.envelope import loads
from kontract.rpc.requests import check_json, read_body

_MEMBERS = {"procedure", "args", "kwargs", "idempotency_key"}


def read_batch(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the calls in a request's body.  Raises ``InvalidRequestError`` and the like, and then none is made."""
    check_json(request)
    calls = loads(read_body(request))
    limit = get_settings().MAX_BATCH
    if not isinstance(calls, list) or not 0 < len(calls) <= limit:
        raise InvalidRequestError(f"A batch is a list of 1 to {limit} calls.")
    for position, call in enumerate(calls):
        if not isinstance(call, dict) or not isinstance(call.get("procedure"), str) or call.keys() - _MEMBERS:
            raise InvalidRequestError(
                f"Call {position} of the batch is not an object with a procedure's name and "
                'either "args" or "kwargs", and perhaps an "idempotency_key".'
            )
    return calls


def make_request(request: HttpRequest, call: dict[str, Any], path: str) -> HttpRequest:
    """Return the request that ``call`` would have come in by itself."""
    single = copy.copy(request)
    for cached in ("headers", "accepted_types", "_post", "_files", "_body"):
        single.__dict__.pop(cached, None)
    body = json.dumps({key: call[key] for key in ("args", "kwargs") if key in call}).encode()
    single.META = {k: v for k, v in request.META.items() if k not in ("HTTP_IDEMPOTENCY_KEY", "HTTP_IF_NONE_MATCH")}
    single.META["CONTENT_LENGTH"] = str(len(body))
    if (key := call.get("idempotency_key")) is not None:
        single.META["HTTP_IDEMPOTENCY_KEY"] = str(key)
    single.path = path
    single.__dict__ |= {"_stream": BytesIO(body), "_read_started": False}
    return single


def as_item(response: HttpResponseBase) -> dict[str, Any]:
    """Return a call's response as a member of the batch's."""
    txid = response.headers.get("Kontract-Txid")
    head = {"status": response.status_code, "txid": None if txid is None else int(txid)}
    document = json.loads(getattr(response, "content", b"null") or b"null")
    return {**head, **document} if response.status_code < 300 else {**head, "problem": document}
