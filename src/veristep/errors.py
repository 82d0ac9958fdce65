"""The one error tree.

Every error a person can meet carries a stable ``code``, a ``message`` saying what and where, a
``hint`` saying what to do, and the exit status the command line ends with::

    VeristepError                  4  Veristep itself failed
    ├── UsageError                 2  the request makes no sense as asked
    │   └── NotFoundError          2  what was named is not there
    ├── MalformedError             3  bytes that do not follow their format
    ├── UnsupportedVersionError    3  bytes of a format this version does not read
    ├── UnavailableError           3  something needed cannot be reached or is missing
    ├── StorageError               4  a write was refused: disk full, read-only, no permission
    └── TamperedError              1  bytes that contradict what was sealed
"""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of every command; they are part of the interface."""

    CLEAN = 0
    FINDINGS = 1
    USAGE = 2
    INCOMPLETE = 3
    FAILED = 4


class VeristepError(Exception):
    """Veristep itself failed."""

    code = "failed"
    exit_status = ExitStatus.FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(VeristepError):
    """The request makes no sense as asked."""

    code = "usage"
    exit_status = ExitStatus.USAGE


class NotFoundError(UsageError):
    """What was named is not there."""

    code = "not-found"


class MalformedError(VeristepError):
    """Bytes do not follow the format they claim."""

    code = "malformed"
    exit_status = ExitStatus.INCOMPLETE


class UnsupportedVersionError(VeristepError):
    """Bytes follow a format version this Veristep does not read."""

    code = "unsupported-version"
    exit_status = ExitStatus.INCOMPLETE


class UnavailableError(VeristepError):
    """Something needed cannot be reached or is missing."""

    code = "unavailable"
    exit_status = ExitStatus.INCOMPLETE


class StorageError(VeristepError):
    """A write was refused; nothing already accepted is lost."""

    code = "storage"
    exit_status = ExitStatus.FAILED


class TamperedError(VeristepError):
    """Bytes contradict what was sealed about them."""

    code = "tampered"
    exit_status = ExitStatus.FINDINGS
