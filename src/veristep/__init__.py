"""Veristep keeps machine-learning training honest: it records, seals and replays training steps.

Importing this package costs nothing: it lives in other people's training processes.
"""

__version__ = "0.1.0"
