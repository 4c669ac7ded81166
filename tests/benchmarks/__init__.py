"""Time and memory beside rclone and s5cmd, in one run: `make bench`. Measurements, not tests."""
