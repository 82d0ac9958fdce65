"""Landlock: the kernel refuses files outside some folders, for a process and all its descendants.

Linux 5.13 and later, without any privilege. Source of the numbers: the kernel's
``include/uapi/linux/landlock.h`` and its user-space API documentation.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Sequence

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_VERSION = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE = 1 << 0
_WRITE_FILE = 1 << 1
_READ_FILE = 1 << 2
_READ_DIR = 1 << 3
# remove_dir, remove_file, make_char, make_dir, make_reg, make_sock, make_fifo, make_block, make_sym
_CHANGE_FOLDER = sum(1 << bit for bit in range(4, 13))
_REFER = 1 << 13  # rename and link between folders, since ABI 2
_TRUNCATE = 1 << 14  # since ABI 3
_READ = _EXECUTE | _READ_FILE | _READ_DIR
# What a rule on a file, not a folder, may name.
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
# Abstract unix sockets and signals stay among the restricted, since ABI 6.
_SCOPED = 0b11
SCOPES_SINCE = 6


class _RulesetAttr(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneathAttr(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi() -> int:
    """Return the kernel's Landlock version; 0 when there is none."""
    libc = ctypes.CDLL(None, use_errno=True)
    version: int = libc.syscall(_CREATE_RULESET, None, 0, _CREATE_VERSION)
    return max(version, 0)


def rights(version: int) -> int:
    """Return the rights to change files that a kernel of this version can refuse."""
    handled = _WRITE_FILE | _CHANGE_FOLDER
    if version >= 2:
        handled |= _REFER
    if version >= 3:
        handled |= _TRUNCATE
    return handled


def restrict(writable: Sequence[str], readable: Sequence[str] | None = None) -> None:
    """Refuse this process every change of files outside `writable` (and devices), for good.

    With `readable`, refuse it to read, list or execute anything outside these and `writable` too, and to
    signal processes that are not under the same restriction, where the kernel can.

    Raises:
        OSError: the kernel does not do it.
    """
    version = abi()
    if version == 0:
        raise OSError("this kernel has no Landlock")
    changing = rights(version)
    handled = changing if readable is None else changing | _READ
    scoped = _SCOPED if readable is not None and version >= SCOPES_SINCE else 0
    libc = ctypes.CDLL(None, use_errno=True)
    attribute = _RulesetAttr(handled, 0, scoped)
    # An older kernel takes a larger structure as long as what it does not know is zero.
    size = ctypes.sizeof(attribute)
    ruleset = _checked(libc.syscall(_CREATE_RULESET, ctypes.byref(attribute), size, 0))
    try:
        for folder in writable:
            _allow(libc, ruleset, folder, handled)
        for path in readable or ():
            _allow(libc, ruleset, path, _READ)
        # /dev holds null, shm and terminals; nothing of the training lies there.
        _allow(libc, ruleset, "/dev", handled)
        _allow(libc, ruleset, "/proc", handled & (_WRITE_FILE | _TRUNCATE | _READ))
        _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no permission
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            access &= _OF_FILES
        rule = _PathBeneathAttr(access, descriptor)
        _checked(libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
