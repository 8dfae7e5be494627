"""The job, manifest and status schemas and the starter jobs, shipped as package data."""
