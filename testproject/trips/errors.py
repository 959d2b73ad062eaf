"""What calls of this application refuse, besides what its types do."""

from dataclasses import dataclass

from kontract import CallError


@dataclass(eq=False)
class UnknownCountry(CallError):
    """The atlas has no such country."""

    code = "unknown_country"
    http_status = 422
    country: str
