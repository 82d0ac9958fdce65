"""Words, digests, record types and verdicts: standard library only, no I/O."""
