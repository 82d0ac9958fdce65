"""What runs inside a training process: it watches steps, digests them and streams records out.

Everything here keeps two rules: it depends on almost nothing, and no exception, stall or full disk of
its own reaches the training.
"""
