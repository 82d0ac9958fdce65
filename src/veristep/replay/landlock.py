"""Landlock: the kernel refuses writes outside some folders, for a process and all its descendants.

Linux 5.13 and later, without any privilege. Source of the numbers: the kernel's
``include/uapi/linux/landlock.h`` and its user-space API documentation.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_VERSION = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_WRITE_FILE = 1 << 1
# remove_dir, remove_file, make_char, make_dir, make_reg, make_sock, make_fifo, make_block, make_sym
_CHANGE_FOLDER = sum(1 << bit for bit in range(4, 13))
_REFER = 1 << 13  # rename and link between folders, since ABI 2
_TRUNCATE = 1 << 14  # since ABI 3


class _RulesetAttr(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


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


def restrict(writable: Sequence[str]) -> None:
    """Refuse this process every change of files outside `writable` (and devices), for good.

    Raises:
        OSError: the kernel does not do it.
    """
    version = abi()
    if version == 0:
        raise OSError("this kernel has no Landlock")
    handled = rights(version)
    libc = ctypes.CDLL(None, use_errno=True)
    attribute = _RulesetAttr(handled)
    ruleset = _checked(libc.syscall(_CREATE_RULESET, ctypes.byref(attribute), ctypes.sizeof(attribute), 0))
    try:
        for folder in writable:
            _allow(libc, ruleset, folder, handled)
        # /dev holds null, shm and terminals; nothing of the training lies there.
        _allow(libc, ruleset, "/dev", handled)
        _allow(libc, ruleset, "/proc", _WRITE_FILE | (handled & _TRUNCATE))
        _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, folder: str, access: int) -> None:
    try:
        descriptor = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rule = _PathBeneathAttr(access, descriptor)
        _checked(libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
