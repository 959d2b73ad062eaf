"""Whole numbers for keys."""

import os
import subprocess
import sys
import threading
import time

from kontract.orm.numbers import Numbers


def test_they_ascend_and_are_exact_in_javascript() -> None:
    numbers = Numbers()
    drawn = numbers.draw_many(5_000)
    assert drawn == sorted(set(drawn))
    assert drawn[0] > 0
    assert drawn[-1] < 2**53


def test_later_ones_are_greater_also_from_another_process() -> None:
    first = Numbers().draw()
    time.sleep(0.002)
    assert Numbers().draw() > first


def test_threads_draw_different_ones() -> None:
    numbers = Numbers()
    drawn: list[int] = []
    threads = [threading.Thread(target=lambda: drawn.extend(numbers.draw_many(1_000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(drawn)) == 4_000


def test_those_of_two_makers_that_differ_in_their_bits_never_meet() -> None:
    one, two = Numbers(), Numbers()
    while one._slot == two._slot:
        two.reroll()
    assert not set(one.draw_many(2_000)) & set(two.draw_many(2_000))


PROGRAM = """
import os
import django
django.setup()
from kontract.orm.numbers import numbers
for _ in range(8):
    if os.fork() == 0:
        os.write(1, b"%d\\n" % numbers._slot)
        os._exit(0)
    os.wait()
"""


def test_a_forked_process_takes_bits_of_its_own() -> None:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings_static"}
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment)
    assert len(set(run.stdout.split())) > 1
