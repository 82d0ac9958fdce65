"""Files that recorded runs wrote: what the ledger knows of them, and whether they still are that."""
