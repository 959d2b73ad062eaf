"""``python -m benchmarks [names ...] [--quick]``."""

import argparse
import importlib.util
import os
import sys
import time
from pathlib import Path

PEERS = ("simple_history", "reversion", "pghistory", "matplotlib")


def main() -> None:
    """Measure what was asked for and report it; a missed target is no failure."""
    if missing := [module for module in PEERS if importlib.util.find_spec(module) is None]:
        sys.exit(f"The benchmark lacks {', '.join(missing)}. Install it: pip install -e '.[bench]'")
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    import django

    django.setup()
    from benchmarks import report, run

    options = parse(run.NAMES)
    started = time.monotonic()
    results = run.run(options.names, quick=options.quick, keep=options.keep)
    print(f"\n{results.setting}; {time.monotonic() - started:.0f} seconds\n")
    report.print_targets(results)
    if options.json:
        results.write(options.json)
    if options.docs:
        report.write_docs(results, options.docs)


def parse(names: tuple[str, ...]) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure kontract against its peers.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"what to measure (default: all): {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="measure less, and do not write the docs")
    parser.add_argument("--docs", type=Path, metavar="FOLDER", help="where to write the page and the plot")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to keep the relative times of every round")
    parser.add_argument("--keep", action="store_true", help="do not drop the database at the end")
    options = parser.parse_args()
    if unknown := set(options.names) - set(names):
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(names)}")
    if options.docs is None and not options.quick and not options.names:
        options.docs = Path(__file__).parent.parent / "docs"
    return options


if __name__ == "__main__":
    main()
