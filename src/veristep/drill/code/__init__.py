"""Attacks on the code a run starts from.

Each is given a git repository with ``train.py``, ``model.py``, ``config.yaml`` and a submodule ``lib``, all
of one commit; the script imports ``model`` and a module ``helpers``.
"""
