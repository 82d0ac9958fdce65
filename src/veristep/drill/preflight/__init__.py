"""Attacks on what comes before a script, on an environment that nobody has locked.

Each gets what the attacks of ``drill.env`` get. Nothing is on record of what was published: only what an
installer leaves beside the packages tells somebody's file from an ordinary one.
"""
