"""What is checked of a run from beside it, one file each: before, during and after."""
