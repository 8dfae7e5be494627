"""One training loop for all families: state, checkpoints, precision, metrics."""
