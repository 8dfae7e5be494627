"""Is this data fit to train on? Findings on pictures, captions and rows, on local folders."""
