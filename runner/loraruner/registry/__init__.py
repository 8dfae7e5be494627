"""What has been published, read from the store."""
