"""The directory of what belongs to one installation: data, secrets, the generated client."""

import base64
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

HOME: Final = Path(os.environ.get("ATLAS_DIR") or Path(__file__).resolve().parents[2] / ".pg" / "demo")
ASSETS: Final = HOME / "static"
CLIENT: Final = ASSETS / "trips" / "api.js"


def read_secrets() -> dict[str, Any]:
    """Return the installation's secrets, made when they are first asked for."""
    path = HOME / "secrets.json"
    CLIENT.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _write_once(path, json.dumps(_make_secrets(), indent=2))
    secrets: dict[str, Any] = json.loads(path.read_text())
    return secrets


def _write_once(path: Path, text: str) -> None:
    """Write a file that only its owner may read, all at once; where another process was faster, leave its own."""
    draft = path.with_suffix(f".{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _make_secrets() -> dict[str, Any]:
    today = datetime.now(UTC).date()
    return {
        "secret_key": _random_text(),
        "wrapping_key": _random_text(),
        "keys": [{"key": _random_text(), "not_after": str(today + timedelta(days=days))} for days in (365, 730)],
    }


def _random_text() -> str:
    return base64.b64encode(os.urandom(32)).decode()
