"""What generated Python clients run on: httpx and pydantic, without Django and the rest of kontract.

``pip install kontract[client]``.  Clients themselves come from ``manage.py kontract_compile --python PATH``.
"""

from kontract.client.asynchronous import AsyncBaseClient as AsyncBaseClient
from kontract.client.downloads import AsyncDownload as AsyncDownload
from kontract.client.downloads import Download as Download
from kontract.client.errors import ChannelError as ChannelError
from kontract.client.errors import ClientError as ClientError
from kontract.client.errors import KontractProblem as KontractProblem
from kontract.client.errors import TruncatedStream as TruncatedStream
from kontract.client.errors import UnexpectedResponse as UnexpectedResponse
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
    "AsyncBaseClient",
    "AsyncDownload",
    "BaseClient",
    "ChannelError",
    "ClientError",
    "Download",
    "File",
    "KontractProblem",
    "Options",
    "Pins",
    "Procedure",
    "Structure",
    "TruncatedStream",
    "UnexpectedResponse",
]
