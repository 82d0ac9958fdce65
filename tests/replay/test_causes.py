"""What a failed replay printed is told as what to do about it."""

from __future__ import annotations

import errno

import pytest

from veristep.replay.causes import (
    DISK_FULL,
    NEEDS_NETWORK,
    TOO_LITTLE_MEMORY,
    ended,
    explain,
    of_error,
)

REASON = "the script ended (status 1) before rank 0 answered"


@pytest.mark.parametrize(
    ("printed", "cause"),
    [
        ("RuntimeError: [enforce fail] can't allocate memory: you tried", TOO_LITTLE_MEMORY),
        ("MemoryError", TOO_LITTLE_MEMORY),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", TOO_LITTLE_MEMORY),
        ("OSError: [Errno 28] No space left on device", DISK_FULL),
        ("urllib.error.URLError: <urlopen error [Errno -3]>", NEEDS_NETWORK),
        ("huggingface_hub.errors.LocalEntryNotFoundError: Cannot find the requested files", NEEDS_NETWORK),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/data/train.bin'", "'/data/train.bin'"),
    ],
)
def test_a_known_cause_leads_and_the_reason_stays(printed: str, cause: str) -> None:
    told = explain(REASON, "Traceback (most recent call last):\n" + printed)
    assert cause in told
    assert told.endswith(f"({REASON})")


def test_an_unknown_cause_leaves_the_reason_as_it_is() -> None:
    assert explain(REASON, "ValueError: 3") == REASON


def test_a_signal_is_named_and_lack_of_memory_is_only_said_when_the_kernel_said_so() -> None:
    assert ended(-9) == "was killed (signal 9, SIGKILL)"
    assert ended(137) == "was killed (signal 9, SIGKILL)"
    assert ended(-9, out_of_memory=True).endswith("by the kernel, for lack of memory")
    assert ended(-11) == "was killed (signal 11, SIGSEGV)"
    assert ended(3) == "ended (status 3)"
    assert TOO_LITTLE_MEMORY in explain(f"the script {ended(-9, out_of_memory=True)}", "")


def test_a_full_disk_while_a_room_is_made_says_what_to_do() -> None:
    assert of_error(OSError(errno.ENOSPC, "No space left on device")) == DISK_FULL
    assert of_error(OSError(errno.ENOMEM, "Cannot allocate memory")) == TOO_LITTLE_MEMORY
    assert "Permission denied" in of_error(PermissionError(errno.EACCES, "Permission denied"))
