"""``python -m benchmarks.streams chaos|latency|idle|lives [uvicorn|granian]``; docs/events.md has what came of it."""

import argparse
import sys
from pathlib import Path

from benchmarks.streams import chaos


def main() -> int:
    """Run one benchmark and print what came of it; return 1 where anything was lost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["chaos", "latency", "idle", "lives"])
    parser.add_argument("server", choices=["uvicorn", "granian"], nargs="?", default="uvicorn")
    parser.add_argument("--processes", type=int, help="2; latency is measured with 1 and with 2 by default")
    parser.add_argument("--subscribers", type=int, help="of each process: 200; of latency 200 in all")
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0, help="that writers write")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between writes")
    parser.add_argument("--count", type=int, default=200, help="of writes")
    options = parser.parse_args()
    home = chaos.make_home()
    chaos.prepare(home)
    try:
        return {"chaos": _chaos, "latency": _latency, "idle": _idle, "lives": _lives}[options.what](options, home)
    finally:
        from kontract.embedded import watcher

        for data in home.rglob("data"):
            watcher.stop(data)


def _chaos(options: argparse.Namespace, home: Path) -> int:
    plan = chaos.Plan(
        server=options.server,
        home=home,
        processes=options.processes or 2,
        subscribers=options.subscribers or 200,
        writers=options.writers,
        seconds=options.seconds,
        pause=options.pause,
    )
    found = chaos.run(plan)
    _print(
        f"{options.server}: {found.changes} changes to {found.subscribers} subscribers over {found.connections} "
        f"connections: {found.missed} missed, {found.repeated} repeated, {found.misordered} out of order, "
        f"{found.wrong} wrong, {found.resets} resets"
    )
    return int(found.changes < 50 or any((found.missed, found.repeated, found.misordered, found.wrong, found.resets)))


def _latency(options: argparse.Namespace, home: Path) -> int:
    from benchmarks.streams import latency

    for processes in [options.processes] if options.processes else [1, 2]:
        subscribers = options.subscribers or 200 // processes
        found = latency.measure(
            options.server, home, processes=processes, subscribers=subscribers, count=options.count,
            pause=options.pause,
        )  # fmt: skip
        _print(
            f"{options.server}, {processes} processes with {subscribers} subscribers each: p50 {found.p50:.1f} ms, p99 "
            f"{found.p99:.1f} ms from commit to subscriber, the first one of each p50 {found.first:.1f} ms "
            f"({found.events} events, {found.cost:.0f} µs of processor time each)"
        )
    return 0


def _idle(options: argparse.Namespace, home: Path) -> int:
    from benchmarks.streams import latency

    memory, threads, connections = latency.measure_idle(options.server, home, subscribers=options.subscribers or 200)
    _print(
        f"{options.server}: {memory:.1f} KiB for each of {options.subscribers or 200} idle subscribers, {threads} more "
        f"threads, {connections} database connections in all"
    )
    return 0


def _lives(options: argparse.Namespace, home: Path) -> int:
    from benchmarks.streams import lives

    found = lives.measure(options.server, home, lives=1000, count=options.count, pause=options.pause)
    _print(
        f"{options.server}: {found.lives} live queries, {found.runs_per_write:.2f} runs for each write, p50 "
        f"{found.latency.p50:.1f} ms, p99 {found.latency.p99:.1f} ms from commit to result"
    )
    return 0


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
