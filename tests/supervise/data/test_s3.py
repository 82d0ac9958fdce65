"""Data in a bucket of S3, as a server on the loopback serves it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from veristep.core.verdicts import Verdict
from veristep.errors import UnavailableError
from veristep.ledger.log import Ledger
from veristep.supervise.data import store
from veristep.supervise.data.check import CheckOptions, How, check
from veristep.supervise.data.lock import LockOptions, lock
from veristep.supervise.data.remote import RemoteSource
from veristep.supervise.data.source import LocalSource

pytestmark = pytest.mark.long
ADDRESS = "s3://bucket/set"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server_module = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()
    boto3 = pytest.importorskip("boto3")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    client = boto3.client("s3")
    client.create_bucket(Bucket="bucket")
    chance = random.Random(3)
    for number in range(3):
        client.put_object(Bucket="bucket", Key=f"set/shard-{number}", Body=chance.randbytes(20_000))
    client.put_object(Bucket="bucket", Key="set/labels.csv", Body=b"a,1\nb,2\n")
    client.put_object(Bucket="bucket", Key="set/ü +%.txt", Body=b"a name\n")
    client.put_object(Bucket="bucket", Key="set/folder/", Body=b"")
    client.put_object(Bucket="bucket", Key="setting/other", Body=b"of somebody else")
    yield client
    server.stop()


def _seen(ledger: Ledger, how: How = How.FULL) -> tuple[Verdict, list[str]]:
    locked = store.load(ledger, store.find(ledger, "set"))
    result = check(locked, RemoteSource(ADDRESS), CheckOptions(how)).result
    return result.verdict, [each.rule for each in result.findings]


def test_a_bucket_is_locked_checked_and_held_against_a_copy(bucket: Any, tmp_path: Path) -> None:
    with Ledger.init(tmp_path / "ledger") as ledger:
        first = lock(ledger, RemoteSource(ADDRESS), LockOptions("set", 4096))
        names = [file.path for file in first.locked.manifest.files]
        assert names == ["labels.csv", "shard-0", "shard-1", "shard-2", "ü +%.txt"]
        assert not first.locked.left_out
        assert lock(ledger, RemoteSource(ADDRESS), LockOptions("set", 4096)).read_bytes == 0
        assert _seen(ledger) == (Verdict.VERIFIED, [])
        copy = tmp_path / "copy"
        for name in names:
            body = bucket.get_object(Bucket="bucket", Key=f"set/{name}")["Body"].read()
            (copy / name).parent.mkdir(exist_ok=True)
            (copy / name).write_bytes(body)
        locked = store.load(ledger, store.find(ledger, "set"))
        assert check(locked, LocalSource(copy), CheckOptions()).result.verdict is Verdict.VERIFIED


def test_objects_replaced_put_back_deleted_and_added_are_told(bucket: Any, tmp_path: Path) -> None:
    body = bucket.get_object(Bucket="bucket", Key="set/shard-1")["Body"].read()
    with Ledger.init(tmp_path / "ledger") as ledger:
        locked = lock(ledger, RemoteSource(ADDRESS), LockOptions("set", 4096)).locked
        bucket.put_object(Bucket="bucket", Key="set/shard-1", Body=os.urandom(len(body)))
        for how in (How.QUICK, How.FULL):
            assert _seen(ledger, how) == (Verdict.VIOLATED, ["DATA001"])
        bucket.put_object(Bucket="bucket", Key="set/shard-1", Body=body)
        assert _seen(ledger) == (Verdict.VERIFIED, [])
        other = bucket.get_object(Bucket="bucket", Key="set/shard-2")["Body"].read()
        bucket.put_object(Bucket="bucket", Key="set/shard-1", Body=other)
        bucket.delete_object(Bucket="bucket", Key="set/shard-0")
        bucket.put_object(Bucket="bucket", Key="set/more", Body=b"more")
        assert sorted(_seen(ledger, How.QUICK)[1]) == ["DATA002", "DATA003", "DATA004"]
        assert all(state is not None and len(state) == 3 for state in locked.states.values())


def test_one_state_whether_a_store_lists_or_is_asked(bucket: Any) -> None:
    del bucket
    source = RemoteSource(ADDRESS)
    for item in source.listing().items:
        assert source.state(item.path) == item.state


def test_a_store_that_does_not_answer_is_an_error_that_says_so(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    del bucket
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()
    with pytest.raises(UnavailableError, match="cannot be listed"):
        RemoteSource(ADDRESS).listing()
