"""A call that reads one document."""

from typing import Any

from kontract import backend, env, perms


@backend(perm=perms.R__)
def read_note(note_id: str) -> dict[str, Any]:
    """Read one document."""
    return dict(env.storage.notes[note_id])
