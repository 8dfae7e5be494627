"""The schemas of job, manifest, status and event, and the starter jobs, shipped as package data."""
