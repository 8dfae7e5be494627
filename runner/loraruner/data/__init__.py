"""Data sets in local folders: archives, pictures, rows. No torch, no network."""
