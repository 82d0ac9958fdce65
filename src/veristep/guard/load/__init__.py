"""Deserialisation: what loads may name, what they may do, and what is done about the rest.

`gate` stands in every Python process of a run, on the interpreter's own audit events. It asks `judge` about
what no list has, tells the supervisor (`notice`) before anything of it runs, and refuses by an exception.
"""
