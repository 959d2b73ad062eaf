"""The lock file: the state that the code wants, for review and for CI, with the states that it wanted before.

The earlier states tell code that is older than the database from code that takes a change back: whoever has gone on
from the database's state knows it as a former one.  Nothing reads the file at run time.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kontract.conf import get_settings
from kontract.schema.state import State, TableState, digest

_NAME: Final = "kontract.lock.json"
_HINT: Final = "Written by `manage.py kontract_migrate lock`. Commit it with the models."


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What the file holds; ``past`` has the digests of each table's former states, also of tables that are gone."""

    state: State = field(default_factory=dict)
    past: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def advance(self, state: State) -> "Lock":
        """Return the lock of ``state``, which comes after this one."""
        past = {name: list(digests) for name, digests in self.past.items()}
        for name, table in self.state.items():
            if name not in state or digest(state[name]) != digest(table):
                past.setdefault(name, []).append(digest(table))
        return Lock(state=state, past={name: tuple(dict.fromkeys(digests)) for name, digests in past.items()})

    def fits(self, state: State) -> bool:
        """Return whether this is the lock of ``state``."""
        return _digests(self.state) == _digests(state)

    def knows(self, name: str) -> bool:
        """Return whether the code has, or has had, the table ``name``."""
        return name in self.state or name in self.past

    def to_text(self) -> str:
        """Return the file's content: the same for equal locks."""
        content = {
            "about": _HINT,
            "past": {name: list(digests) for name, digests in self.past.items() if digests},
            "tables": {name: table.numbered(1).to_json() for name, table in self.state.items()},
        }
        return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _digests(state: State) -> dict[str, str]:
    return {name: digest(table) for name, table in state.items()}


def find_path() -> Path | None:
    """Return where the lock file is, or would be; None for a process that no ``manage.py`` has begun."""
    if (path := get_settings().LOCK_FILE) is not None:
        return Path(path)
    program = Path(sys.argv[0])
    return program.resolve().with_name(_NAME) if program.name == "manage.py" else None


def read_lock(path: Path | None) -> Lock | None:
    """Return the lock in the file ``path``; None where there is none.

    Raises ``ValueError`` for a file that is no lock, such as one with marks of a conflict.
    """
    if path is None or not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        state = {name: TableState.from_json(table) for name, table in content["tables"].items()}
        past = {name: tuple(digests) for name, digests in content.get("past", {}).items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path} is no lock file ({error!r}). Resolve its conflicts, or restore it from version control, then run "
            "`manage.py kontract_migrate lock`."
        ) from error
    return Lock(state=state, past=past)


def write_lock(path: Path, state: State) -> bool:
    """Make the file ``path`` the lock of ``state``; return whether it has changed."""
    before = read_lock(path)
    if before is not None and before.fits(state):
        return False
    path.write_text((before or Lock()).advance(state).to_text(), encoding="utf-8")
    return True
