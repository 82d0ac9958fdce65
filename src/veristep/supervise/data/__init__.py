"""Data sets: locked by a manifest, checked against it, and watched while a run reads them."""
