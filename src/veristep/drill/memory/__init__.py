"""Attacks in the memory of a training process: no file that the run is made of is touched.

Each gets a folder and leaves a ``sitecustomize.py`` in its ``implant``, as a shared shell profile or a
poisoned module folder would bring it; it acts once torch is there. The victim (`implanting.TRAIN`) trains a
toy until a file ``stop`` appears beside it. Harmless: numbers of a toy change.
"""
