"""Put the parts together: the daemon, and the same parts for single commands."""
