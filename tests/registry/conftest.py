"""A real S3 server for the slow tests of the registry."""

from tests.support.s3_server import bucket, endpoint, open_s3, seaweedfs

__all__ = ["bucket", "endpoint", "open_s3", "seaweedfs"]
