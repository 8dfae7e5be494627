"""A package index: what it has of us, and twine to add to it."""

import hashlib
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from ci.releasing.commands import CommandFailed, Commands
from ci.releasing.settings import Repositories
from ci.releasing.web import Web
from loraruner.errors import InputMissing, TemporaryFailure

NAME = "loraruner"


class Index:
    """The package loraruner at one index."""

    def __init__(self, web: Web, commands: Commands, repositories: Repositories) -> None:
        self._web, self._commands = web, commands
        self._upload, self._page = repositories.pypi, f"{repositories.index.rstrip('/')}/{NAME}/"

    def look(self, file_name: str) -> str:
        """``sha256:...`` of a file at the index; nothing where it has none of that name."""
        address = self._address(file_name)
        fragment = urldefrag(address).fragment
        if fragment.startswith("sha256="):
            return f"sha256:{fragment.removeprefix('sha256=')}"
        return f"sha256:{hashlib.sha256(self.fetch(file_name)).hexdigest()}" if address else ""

    def fetch(self, file_name: str) -> bytes:
        """The bytes of a file that the index has."""
        address = urldefrag(self._address(file_name)).url
        if not address:
            raise InputMissing(f"{self._page} does not list {file_name}: finish ci/release first")
        answer = self._web.ask("GET", address)
        if answer.status != 200:
            raise TemporaryFailure(
                f"{self._page} lists {file_name} and answers {answer.status} for it: try again later"
            )
        return answer.body

    def _address(self, file_name: str) -> str:
        answer = self._web.ask("GET", self._page, headers={"Accept": "text/html"})
        if answer.status == 404:
            return ""
        if answer.status != 200:
            raise InputMissing(f"{self._page} answers {answer.status}: is it the index of the package repository?")
        page = Links()
        page.feed(answer.body.decode("utf-8", "replace"))
        named = [each for each in page.found if unquote(urlsplit(each).path).rpartition("/")[2] == file_name]
        return urljoin(self._page, named[0]) if named else ""

    def send(self, file: Path) -> None:
        """Upload by twine."""
        command = [sys.executable, "-m", "twine", "upload", "--non-interactive", "--disable-progress-bar"]
        command += ["--config-file", "/dev/null", "--repository-url", f"{self._upload}/", str(file)]
        try:
            self._commands.run(command, extra=self._commands.twine())
        except CommandFailed:
            # An upload whose answer was lost is refused the second time, and is there.
            if not self.look(file.name):
                raise


class Links(HTMLParser):
    """The addresses that a page links to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the address of a link."""
        self.found += [value for name, value in attrs if (tag, name) == ("a", "href") and value]
