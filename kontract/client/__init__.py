"""What generated Python clients run on: httpx and pydantic, without Django and the rest of kontract.

``pip install kontract[client]``.  Clients themselves come from ``manage.py kontract_compile --python PATH``.
"""

from kontract.client.asynchronous import AsyncBaseClient as AsyncBaseClient
from kontract.client.auth import Auth as Auth
from kontract.client.auth import SigningClient as SigningClient
from kontract.client.auth_async import AsyncAuth as AsyncAuth
from kontract.client.auth_async import AsyncSigningClient as AsyncSigningClient
from kontract.client.auth_state import AuthOptions as AuthOptions
from kontract.client.auth_state import MemoryStorage as MemoryStorage
from kontract.client.auth_state import TokenStorage as TokenStorage
from kontract.client.downloads import AsyncDownload as AsyncDownload
from kontract.client.downloads import Download as Download
from kontract.client.errors import ChannelError as ChannelError
from kontract.client.errors import ClientError as ClientError
from kontract.client.errors import KontractProblem as KontractProblem
from kontract.client.errors import TruncatedStream as TruncatedStream
from kontract.client.errors import UnexpectedResponse as UnexpectedResponse
from kontract.client.events import Change as Change
from kontract.client.events import HistoryRemoved as HistoryRemoved
from kontract.client.options import Answer as Answer
from kontract.client.options import Options as Options
from kontract.client.procedure import Procedure as Procedure
from kontract.client.structure import UNSET as UNSET
from kontract.client.structure import Structure as Structure
from kontract.client.synchronous import BaseClient as BaseClient
from kontract.client.uploads import File as File
from kontract.raystream.keys import Pins as Pins

__all__ = [
    "UNSET",
    "Answer",
    "AsyncAuth",
    "AsyncBaseClient",
    "AsyncDownload",
    "AsyncSigningClient",
    "Auth",
    "AuthOptions",
    "BaseClient",
    "Change",
    "ChannelError",
    "ClientError",
    "Download",
    "File",
    "HistoryRemoved",
    "KontractProblem",
    "MemoryStorage",
    "Options",
    "Pins",
    "Procedure",
    "SigningClient",
    "Structure",
    "TokenStorage",
    "TruncatedStream",
    "UnexpectedResponse",
]
