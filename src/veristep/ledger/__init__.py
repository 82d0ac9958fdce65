"""The append-only ledger: entries, their Merkle tree, signatures, files, and their checking."""
