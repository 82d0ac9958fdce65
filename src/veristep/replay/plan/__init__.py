"""What an audit looks at: the intervals of a run, what was asked for, which come next, what that shows."""
