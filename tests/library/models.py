"""The models of docs/orm.md, as they are declared there."""

from tests.docs import blocks, is_of

for block in blocks("docs/orm.md", "python"):
    if is_of(block, "library/models.py"):
        exec(block.text)  # noqa: S102 - the project's own documentation
