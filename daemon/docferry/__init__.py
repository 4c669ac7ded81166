"""Mirror, convert and account for documents between folders and S3 prefixes."""
