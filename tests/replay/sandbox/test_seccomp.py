"""The filter refuses what it says and nothing else, in the kernel's own reading of it."""

from __future__ import annotations

import errno
import os
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.replay.sandbox import seccomp
from veristep.replay.sandbox.seccomp import AF_NETLINK, AF_UNIX, ARCHITECTURES

ALLOW = 0x7FFF0000
DENY = 0x00050000 | errno.EPERM
FAMILIES = (AF_UNIX, AF_NETLINK)


def run(program: bytes, architecture: int, number: int, first: int) -> int:
    """Execute a filter as the kernel does (bpf(2), classic part), over one system call."""
    data = struct.pack("=iIQQ", number if number < 1 << 31 else number - (1 << 32), architecture, 0, first)
    lines = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, value = lines[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif code == 0x15:
            at += if_true if accumulator == value else if_false
        elif code == 0x35:
            at += if_true if accumulator >= value else if_false
        else:
            assert code == 0x06
            return int(value)


@pytest.mark.parametrize("name", ARCHITECTURES)
@given(number=st.integers(0, 2**32 - 1) | st.integers(0, 460), first=st.integers(0, 50))
def test_exactly_the_listed_calls_and_other_families_sockets_are_refused(
    name: str, number: int, first: int
) -> None:
    architecture = ARCHITECTURES[name]
    program = seccomp.program(architecture, FAMILIES)
    refused = (
        number >= 0x40000000
        or number in architecture.refused
        or (number == architecture.socket and first not in FAMILIES)
    )
    assert run(program, architecture.audit, number, first) == (DENY if refused else ALLOW)


@given(number=st.integers(0, 460), audit=st.integers(0, 2**32 - 1))
def test_calls_in_another_architectures_numbering_are_refused(number: int, audit: int) -> None:
    architecture = ARCHITECTURES["x86_64"]
    if audit != architecture.audit:
        assert run(seccomp.program(architecture, None), audit, number, 0) == DENY


@pytest.mark.skipif(seccomp.known() is None, reason="no numbers for this architecture")
def test_a_restricted_process_opens_unix_sockets_and_no_others() -> None:
    architecture = seccomp.known()
    assert architecture is not None
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            seccomp.restrict(seccomp.program(architecture, FAMILIES))
            socket.socket(socket.AF_UNIX).close()
            try:
                socket.socket(socket.AF_INET)
            except PermissionError:
                status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
