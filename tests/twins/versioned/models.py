"""The versioned twins."""

from kontract.orm import VersionedModel
from tests.twins.build import build

build(__name__, VersionedModel)
