"""What runs: the loop of a mirror, and all that feeds it hints."""
