"""Auditing a run while it trains."""
