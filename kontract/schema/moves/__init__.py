"""The operations of migration files: changes that lose data or need a decision, each with its way back.

Those of documents' shape do not run over documents when they are applied: they are recorded, and every document is read
through them from then on, whatever it was written as.  ``kontract.schema.moving`` then rewrites the documents.
"""

from kontract.schema.moves.base import Cast, Migration, Move
from kontract.schema.moves.code import RunPython
from kontract.schema.moves.converting import ChangeType
from kontract.schema.moves.removing import RemoveField, RestoreField
from kontract.schema.moves.renaming import RenameField
from kontract.schema.moves.splitting import JoinFields, SplitField
from kontract.schema.moves.tables import RemoveTable, RenameTable, RestoreTable

__all__ = [
    "Cast",
    "ChangeType",
    "JoinFields",
    "Migration",
    "Move",
    "RemoveField",
    "RemoveTable",
    "RenameField",
    "RenameTable",
    "RestoreField",
    "RestoreTable",
    "RunPython",
    "SplitField",
]
