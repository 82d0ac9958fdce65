"""Harmless rehearsals of sabotage, to prove that a deployment notices. Nothing imports this package."""
