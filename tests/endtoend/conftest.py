"""The real S3 server of the slow tests."""

from tests.support.s3_server import bucket, endpoint, seaweedfs

__all__ = ["bucket", "endpoint", "seaweedfs"]
