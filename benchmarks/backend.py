"""The procedures whose calls are measured with and without the encrypted channel: each takes and gives 1 KB."""

from kontract import backend, env, perms


@backend(perm=perms.R__)
def bench_echo(text: str) -> str:
    """Use no storage."""
    return text


@backend(perm=perms.R__)
def bench_read(text: str) -> str:
    """Read a document."""
    found = env.storage.documents.get("sealed")
    return text if found is None else str(found["text"])


@backend
def bench_write(text: str) -> str:
    """Write a document."""
    env.storage.documents.set("sealed", {"text": text})
    return text
