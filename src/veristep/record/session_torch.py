"""Puts the parts of in-process recording together, once torch is there."""

from __future__ import annotations

import importlib
import os
import weakref
from collections.abc import Callable
from multiprocessing import parent_process
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, cast

from veristep.ledger.objects import ObjectStore
from veristep.record import files, training
from veristep.record.config import RecordConfig
from veristep.record.hooks_torch import Guard, Process, install
from veristep.record.reads import NOTES, ReadNotes
from veristep.record.state_torch import Roster
from veristep.record.steps_torch import Sink, Tracker


def begin(config: RecordConfig, at_exit: Callable[[Callable[[], None]], Any]) -> Process:
    """Follow this process from now on."""
    module, _, function = config.sink.partition(":")
    build = getattr(importlib.import_module(module), function)
    process: Process

    def make() -> Guard:
        return Guard(Tracker(lambda roster: _built(build, config, roster, process), Roster()))

    def stream() -> files.Stream | None:
        built = process.guard.tracker.built
        return cast("files.Stream | None", built)

    watch = files.FileWatch(
        stream,
        ObjectStore(Path(config.objects)),
        config.watch,
        (config.boot, config.directory, config.objects),
    )
    process = Process(make, watch)
    install(process)
    prepare = getattr(importlib.import_module(module), "prepare", None)
    if prepare is None:
        own = (config.boot, config.directory, config.objects, config.package)
        files.install(watch, ReadNotes(Path(config.boot) / NOTES, own))
    else:
        prepare(config, process)
    at_exit(lambda: _finish(process))
    return process


def _built(build: Any, config: RecordConfig, roster: Roster, process: Process) -> Sink:
    sink: Sink = build(config, roster)
    if parent_process() is not None:
        # A forked child of `multiprocessing` ends without running what is registered at exit.
        Finalize(None, _finish, args=(process,), exitpriority=-1000)
    _let_go_in_children(sink)
    line = getattr(sink, "line", None)
    if line is not None:
        for early in process.watch.early_lines():
            line(early)
        follow = getattr(sink, "follow_files", None)
        if follow is not None:
            follow(process.watch)
    stream = getattr(sink, "stream", None)
    if isinstance(stream, str):
        training.begins(stream)
    return sink


def _let_go_in_children(sink: Sink) -> None:
    """Close in forked children what is open here: our end must not seem to outlive us."""
    kept = weakref.ref(sink)

    def forked() -> None:
        abandon = getattr(kept(), "abandon", None)
        if abandon is not None:
            abandon()

    os.register_at_fork(after_in_child=forked)


def _finish(process: Process) -> None:
    finish = getattr(process.guard.tracker.built, "finish", None)
    if finish is None:
        return
    try:
        finish()
    except Exception as error:  # noqa: BLE001 - boundary
        process.guard.failed(error)
