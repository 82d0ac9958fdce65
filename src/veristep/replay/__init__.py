"""Re-executing parts of a run elsewhere and comparing every step with its sealed record."""
