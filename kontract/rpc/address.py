"""The address that a request comes from, which a client must not be able to choose."""

from ipaddress import IPv6Address, IPv6Network, ip_address

from django.http import HttpRequest

from kontract.conf import get_settings

_LONGEST = 60  # characters of an address with brackets, zone and port
_IPV6_SITE = 64  # bits: who has one address of such a network has all of them


def client_ip(request: HttpRequest) -> str:
    """Return the client's address; "" where the server does not know it (it listens on a Unix socket).

    Each of the ``TRUSTED_PROXIES`` in front appends to ``X-Forwarded-For`` whom it heard from, so that many entries
    from the right are true and all others may be forged.  Where there are fewer, or the true one is no address, the
    request has not come through all proxies: then the peer counts, as without any.
    """
    peer = _parse(request.META.get("REMOTE_ADDR", ""))
    proxies = get_settings().TRUSTED_PROXIES
    if not proxies:
        return peer
    entries = request.META.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", proxies)
    return (_parse(entries[-proxies]) if len(entries) >= proxies else "") or peer


def client_network(request: HttpRequest) -> str:
    """Return what to count a client's requests by: an IPv4 address, or the network /64 of an IPv6 one."""
    address = client_ip(request)
    return str(IPv6Network((address, _IPV6_SITE), strict=False)) if ":" in address else address


def _parse(text: str) -> str:
    """Return an address as it is usually written, without brackets, port and zone; "" for what is none."""
    text = text.strip()
    if len(text) > _LONGEST:
        return ""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
