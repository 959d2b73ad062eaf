"""Subscribers of real servers, under everything that can go wrong; ``python -m benchmarks.streams`` runs more of it."""

import subprocess
import sys

import pytest

from benchmarks.streams.servers import ROOT


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_nothing_is_missed_repeated_or_out_of_order(server: str) -> None:
    """Two processes, eight writers that roll some of it back, a killed listener, and a restarted PostgreSQL."""
    command = [sys.executable, "-m", "benchmarks.streams", "chaos", server, "--subscribers", "20", "--seconds", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 missed, 0 repeated, 0 out of order, 0 wrong" in done.stdout, done.stdout
