"""Attacks on checkpoints.

Each is given a folder ``out`` that a recorded run wrote: ``epoch1.pt`` to ``epoch3.pt`` (model, optimizer
and epoch), ``model.safetensors``, ``base.pt``, which a policy protects, and ``sharded`` with an index and
two shards; ``../old-1`` and ``../old-2`` are the shards of an earlier step.
"""
