"""What survives a restart, as files: whole or absent, and on a volume only once that was committed."""
