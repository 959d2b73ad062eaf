"""The models of docs/orm.md and of the README, as they are declared there."""

from tests.docs import blocks, is_of

for block in blocks("docs/orm.md", "python"):
    if is_of(block, "library/models.py"):
        exec(block.text)  # noqa: S102 - the project's own documentation

# The model of the README's example, without the procedure that follows.
_example = next(iter(blocks("README.md", "python"))).text
_program = "from django.db import models\nfrom kontract.orm import VersionedModel\n"
exec(_program + _example[_example.index("class Article") : _example.index("class SoldOut")])  # noqa: S102
