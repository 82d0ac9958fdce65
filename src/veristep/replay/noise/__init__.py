"""Where bit-exactness ends: rounding told from intent, and how far a difference reaches."""
