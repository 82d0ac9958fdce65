"""What holds a replay in its room: one file per means, and `choose` that tries them."""
