"""The two sides of a mirror behind one interface: a folder, an S3 prefix, or memory."""
