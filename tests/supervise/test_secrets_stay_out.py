from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from desk import Desk
from veristep.supervise import describe

SECRETS = {
    "WANDB_API_KEY": "aaaa1111bbbb2222cccc",
    "DATABASE_URL": "postgres://me:dddd3333eeee@host/db",
    "MY_PASSWORD": "ffff4444gggg",
    "HARMLESS_NAME": "hf_ABCDEFGHIJKLMNOPQRSTUVWX",
    "COMPOSED": "prefix-ffff4444gggg-suffix",
}
PARTS = ["aaaa1111", "dddd3333", "ffff4444", "hf_ABCDEFGH", "hhhh5555", "iiii6666", "kkkk7777"]


def test_secrets_of_the_environment_and_the_command_never_reach_the_ledger(desk: Desk) -> None:
    subprocess.run(["git", "init", "-q"], cwd=desk.work, check=True)
    desk.write(".env", "TOKEN=kkkk7777\n")
    arguments = ["--token", "hhhh5555xxxx", "--secret=iiii6666xxxx", SECRETS["MY_PASSWORD"]]
    inner = [sys.executable, "-c", "pass", *arguments]
    done = desk.run(["bash", "-c", " ".join(inner) + "; true", "x", *arguments], env=SECRETS)
    assert done.returncode == 0, done.stderr
    desk.recorded()
    found = {
        (part, str(path))
        for path in desk.ledger.rglob("*")
        if path.is_file()
        for part in PARTS
        if part.encode() in _content(path)
    }
    assert found == set()
    run = desk.recorded()
    assert "--token" in str(run.of_type("hello")[0]["argv"])


@pytest.mark.parametrize(
    "command",
    [
        ["train.py", "--tokenizer", "gpt2", "--num-key-value-heads", "8", "--max_tokens", "100"],
        ["train.py", "--author", "me", "--monkey=1", "--lr=0.1", "-c", "a = 1; key = 3"],
    ],
)
def test_words_that_only_sound_like_secrets_stay(command: list[str]) -> None:
    assert describe.redact_arguments(command) == command


def test_switches_of_the_environment_stay() -> None:
    environment = {"TOKENIZERS_PARALLELISM": "false", "PATH": "/bin", "KEY_COUNT": "3", "PWD": "/x"}
    assert describe.redact(environment) == environment


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    if path.name != "ledger.db":
        return data
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        text = os.fsencode("\n".join(connection.iterdump()))
    connection.close()
    return data + text
