"""Where replays are judged: one file per engine, all with the protocol of `engines.protocol`.

An engine is handed intervals and yields a verdict on each, in whatever order they are done. Which
intervals, and what the verdicts add up to, is decided elsewhere: the same plan gets the same verdicts, byte
for byte, from every engine and any number of workers.
"""
