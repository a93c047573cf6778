"""The way of chunks to a bucket, over outages and restarts."""
