"""Seccomp: the kernel refuses system calls that a replay has no use for, by a small filter program.

The program is classic BPF over ``struct seccomp_data``. Sources: the kernel's
``Documentation/userspace-api/seccomp_filter.rst``, ``include/uapi/linux/{filter,seccomp,audit}.h``, and its
system call tables for the numbers.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Sequence
from dataclasses import dataclass

_LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT = 0, 4, 16
# System calls of the x32 ABI carry this bit; a filter that forgets them has a hole.
_X32_BIT = 0x40000000

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
AF_UNIX, AF_NETLINK = 1, 16


@dataclass(frozen=True, slots=True)
class Architecture:
    """What the numbers of an architecture are.

    Attributes:
        audit: its ``AUDIT_ARCH_*``.
        socket: number of ``socket``; its first argument is the address family.
        refused: system calls that reach other processes, the kernel or its keys, or that go around this
            filter (``io_uring`` opens sockets without calling ``socket``).
    """

    audit: int
    socket: int
    refused: tuple[int, ...]


# ptrace, process_vm_readv/writev, mount, umount2, pivot_root, chroot, swapon, swapoff, reboot,
# init_module, finit_module, delete_module, kexec_load, kexec_file_load, bpf, perf_event_open,
# add_key, request_key, keyctl, userfaultfd, open_by_handle_at, name_to_handle_at, setns,
# io_uring_setup/enter/register, pidfd_getfd, process_madvise, move_mount, fsopen, fsconfig, fsmount,
# fspick, open_tree, mount_setattr, acct, quotactl.
_GENERIC = (425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 440, 442)
ARCHITECTURES = {
    "x86_64": Architecture(
        0xC000003E,
        41,
        (101, 310, 311, 165, 166, 155, 161, 167, 168, 169, 175, 313, 176, 246, 320, 321, 298, 248, 249,
         250, 323, 304, 303, 308, 163, 179, *_GENERIC),
    ),
    "aarch64": Architecture(
        0xC00000B7,
        198,
        (117, 270, 271, 40, 39, 41, 51, 224, 225, 142, 105, 273, 106, 104, 294, 280, 241, 217, 218, 219,
         282, 265, 264, 268, 89, 60, *_GENERIC),
    ),
}  # fmt: skip


def known() -> Architecture | None:
    """Return this machine's numbers; None on an architecture whose numbers nobody wrote down here."""
    return ARCHITECTURES.get(platform.machine())


def program(architecture: Architecture, families: Sequence[int] | None) -> bytes:
    """Return the filter as the kernel reads it: ``struct sock_filter`` one after another.

    Args:
        architecture: whose numbers to use; calls in any other architecture's numbering are refused.
        families: address families a socket may have; None leaves sockets alone.
    """
    denied = _ERRNO | errno.EPERM
    body = [(_LOAD_WORD, 0, 0, _AT_NUMBER), (_JUMP_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, denied)]
    for number in architecture.refused:
        body += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, denied)]
    if families is not None:
        check = [(_LOAD_WORD, 0, 0, _AT_FIRST_ARGUMENT)]
        for family in families:
            check += [(_JUMP_EQUAL, 0, 1, family), (_RETURN, 0, 0, _ALLOW)]
        check.append((_RETURN, 0, 0, denied))
        body += [(_JUMP_EQUAL, 0, len(check), architecture.socket), *check]
    body.append((_RETURN, 0, 0, _ALLOW))
    head = [
        (_LOAD_WORD, 0, 0, _AT_ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, architecture.audit),
        (_RETURN, 0, 0, denied),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in [*head, *body])


def restrict(filter_program: bytes) -> None:
    """Put this process and all its descendants under a filter, for good.

    Raises:
        OSError: the kernel does not do it.
    """

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    libc = ctypes.CDLL(None, use_errno=True)
    fprog = Program(len(filter_program) // 8, filter_program)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(fprog), 0, 0
    ):
        number = ctypes.get_errno()
        raise OSError(number, "seccomp refused")
