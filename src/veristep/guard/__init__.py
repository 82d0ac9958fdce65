"""What a run is made of, checked against what it should be: rules, one file each, by family."""
