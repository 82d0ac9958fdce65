"""Rules about the record itself and what it is kept by."""
