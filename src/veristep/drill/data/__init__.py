"""Attacks on data sets.

Each is given a folder that was locked: ``shard-0.bin`` to ``shard-2.bin``, ``labels/train.csv`` with rows
``name,class``, and a folder beside it that is its own.
"""
