"""What of Veristep can work on this machine: one file per facility, a constant ``FACILITY`` in each.

A facility is something of the machine that parts of Veristep rest on: a file system of the kernel, a right,
a program. Its file tries it, harmlessly and in well under a second, and says what it would take if it is
not there; what is not covered without it is part of its description. `veristep doctor` shows them all.
"""
