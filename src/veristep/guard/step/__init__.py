"""STEP: the update is the optimizer's, and the inputs are what they should be."""
