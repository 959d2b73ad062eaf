"""What a run found: relative times, round by round, that can be kept as JSON and reported again."""

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Self

from benchmarks.measure import Times

PACKAGES = ("Django", "psycopg", "django-simple-history", "django-reversion", "django-pghistory")


@dataclass(slots=True, kw_only=True)
class Comparison:
    """Relative times of the contenders of one case, or of the shapes of one kind of read."""

    title: str
    times: Times

    @classmethod
    def relative(cls, title: str, times: Times) -> Self:
        """Divide every time by that of the first contender in the same round: bare times say nothing elsewhere."""
        base = next(iter(times.values()))
        return cls(
            title=title,
            times={name: [time / b for time, b in zip(row, base, strict=True)] for name, row in times.items()},
        )


@dataclass(slots=True, kw_only=True)
class Results:
    """Everything that is reported; ``cases`` are about documents, ``models`` about Django's models."""

    quick: bool
    documents: int
    setting: str
    cases: dict[str, Comparison] = field(default_factory=dict)
    growth: dict[str, Comparison] = field(default_factory=dict)
    models: dict[str, Comparison] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Keep the results as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the results that ``write`` kept."""
        kept = json.loads(path.read_text())
        for part in ("cases", "growth", "models"):
            kept[part] = {name: Comparison(**comparison) for name, comparison in kept.get(part, {}).items()}
        return cls(**kept)


def describe_setting(server: str) -> str:
    """Return what the results depend on, in one line."""
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{platform.system()} with {os.cpu_count()} CPUs, PostgreSQL {server}, Python {python}, {packages}"
