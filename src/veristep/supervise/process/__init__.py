"""What happens to the processes of a run, looked at from outside."""
