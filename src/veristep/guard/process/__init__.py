"""What happens to the processes of a run: who makes them wait, stops or kills them, what they start.

`standing` starts `sampler` in a process that trains; all else looks from outside (`supervise.process`). One
file per rule.
"""
