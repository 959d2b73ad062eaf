"""What stands at the top of the client."""

from typing import Final

HEADER: Final = """\
/* eslint-disable */
// @ts-nocheck
// Written by "manage.py kontract_compile --javascript" from the backend's procedures. Do not edit: it would be lost.
// Names with a $ are this file's own.

/** @typedef {string} ISODate Text of a Python `date`: `2030-12-31`. */
/** @typedef {string} ISOTime Text of a Python `time`: `23:59:59.999999`. */
/** @typedef {string} ISODuration Text of a Python `timedelta`, an ISO 8601 duration: `P1DT2H`. */
/** @typedef {string} UUID Text of a Python `UUID`. */
/** @typedef {string} Decimal Text of a Python `Decimal`, with all its digits: `"0.10"`. */
/** @typedef {Blob | Uint8Array} KontractUpload A file to send; a `File` has a name, too. */"""
