"""Model folders nobody vouches for: checked without torch, then loaded without code or pickles."""
