"""The draw of intervals: derived from what nobody could foresee, made, and checked by anybody."""
