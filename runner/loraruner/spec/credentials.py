"""Tells credentials from other strings, so that a job holding one is refused and never echoed."""

import re

# Names are shown to the user. The patterns are narrow, as a false alarm stops a job, and linear: where a run
# of characters is scanned, no second match can begin inside that run.
_KINDS: dict[str, str] = {
    "a user name or password in an address": (
        r"(?i)\b(?:https?|s3|file|hf)://[^/\s?#@:]*:[^/\s?#]*@|\b(?:https?|s3)://[^/\s?#]*@"
    ),
    "an S3 key in an address": r"(?i)\bs3://[^/\s]*:",
    "a signature or token in an address": (
        r"(?i)[?&](?:x-amz-(?:signature|credential|security-token)|awsaccesskeyid|x-goog-signature|signature|sig"
        r"|(?:access_|auth_)?token|api_?key|password|secret)="
    ),
    "an AWS access key": r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])",
    "a Hugging Face token": r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{20,}",
    "a GitHub token": r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})",
    "a GitLab token": r"(?<![A-Za-z0-9])glpat-[A-Za-z0-9_-]{20,}",
    "an API key": r"(?<![A-Za-z0-9_-])sk-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}",
    "a Google API key": r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{35}",
    "an Artifactory token": r"(?<![A-Za-z0-9])(?:AKCp[A-Za-z0-9]{20,}|cmVmdGtu[A-Za-z0-9]{20,})",
    "a ClickUp token": r"(?<![A-Za-z0-9])pk_[0-9]+_[A-Z0-9]{20,}",
    "a Slack token": r"(?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9-]{10,}",
    "a JSON web token": r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
}
_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _KINDS.items()}
_SECRET_KEY = re.compile(r"(?i)secret|passw(?:or)?d|credential|private_?key|api_?key|access_?key|(?:^|[_.-])token$")


def find(text: str) -> str | None:
    """What kind of credential ``text`` holds, or None."""
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.search(text)), None)


def names_secret(key: str) -> bool:
    """Whether a key says that its value is secret (``aws_secret_access_key``, ``password``, ``hf_token``)."""
    return _SECRET_KEY.search(key) is not None
