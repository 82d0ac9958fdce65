"""Attacks on loads: files that run code when somebody loads them.

Each plants a file and, beside it, a training script that loads it in good faith. The payload leaves a mark.
"""
