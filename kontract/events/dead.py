"""Trying once more what consumers have put aside."""

import logging
from functools import partial

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.context import namespace
from kontract.events import positions
from kontract.events.consumers import Consumer
from kontract.events.positions import DeadLetter
from kontract.events.source import Source
from kontract.mvcc.connections import get_connection
from kontract.mvcc.transaction import run_transaction

logger = logging.getLogger("kontract.events")


def retry(source: Source, consumer: Consumer, letter: DeadLetter) -> bool:
    """Call the consumer with a change that it could not take; return whether it is done now.

    Later changes of the document may have been taken long since: look at the present where that matters.
    """
    with namespace(source.namespace):
        try:
            run_transaction(
                partial(_call, source, consumer, letter),
                using=source.alias,
                label=f"consumer {consumer.name}",
                at_end=partial(_remove, source, letter),
            )
        except Exception as error:
            logger.warning("The consumer %s failed on %s again.", consumer.name, letter.id, exc_info=error)
            positions.keep_dead(source, letter, f"{type(error).__name__}: {error}")
            return False
    return True


def _call(source: Source, consumer: Consumer, letter: DeadLetter) -> None:
    if positions.take_dead(get_connection(source.alias), source.ns, letter):
        consumer.call([letter.change])


def _remove(source: Source, letter: DeadLetter, result: None, connection: BaseDatabaseWrapper) -> None:
    positions.remove_dead(connection, source.ns, letter)
