"""Model card and report page of a version."""
