"""Strike secrets out of text: known values, URL credentials and signatures, control characters."""

import re
from collections.abc import Sequence

URL_SECRETS = re.compile(
    r"(?i)(https?://|://(?=[^/\s:@]+:))[^/\s@]+@"
    r"|([?&](?:x-amz-[a-z-]+|awsaccesskeyid|signature|sig|[a-z_]*token|[a-z_]*key|password)=)[^&\s\"']+"
)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # terminals obey the C1 set too


class Redactor:
    """Replaces each of ``secrets`` and whatever looks like a credential in a URL."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = sorted(secrets, key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text without secrets and without control characters other than line feeds and tabs."""
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        text = URL_SECRETS.sub(lambda match: f"{match[1] or match[2]}[secret]{'@' if match[1] else ''}", text)
        return CONTROL.sub(" ", text)
