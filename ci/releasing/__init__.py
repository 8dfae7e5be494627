"""``make release`` and ``make promote``: a version made twice, compared, and published where it is not there yet."""
