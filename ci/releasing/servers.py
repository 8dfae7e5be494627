"""The servers of one set of repositories, opened with one account."""

from dataclasses import dataclass

from ci.releasing.artifactory import Artifactory
from ci.releasing.commands import Commands
from ci.releasing.pypi import Index
from ci.releasing.registry import Registry
from ci.releasing.settings import OciPlace, Repositories, Settings
from ci.releasing.web import Web

CHART_NAME = "loraruner"


@dataclass(frozen=True)
class Servers:
    """Where each kind of artefact goes."""

    index: Index
    images: Registry
    charts: Registry
    files: Artifactory
    generic: str


def opened(settings: Settings, repositories: Repositories, commands: Commands, web: Web) -> Servers:
    """Clients for ``repositories``; nothing is asked yet."""
    charts = repositories.charts
    return Servers(
        index=Index(web, commands, repositories),
        images=Registry(commands, repositories.images),
        charts=Registry(commands, OciPlace(charts.host, f"{charts.path}/{CHART_NAME}", charts.is_plain)),
        files=Artifactory(web, settings.artifactory, settings.project),
        generic=repositories.generic,
    )


def client(settings: Settings) -> Web:
    """HTTP with the account of the release, at its own servers."""
    sides = [settings.candidate, *([settings.promoted] if settings.promoted else [])]
    return Web(settings.account, [settings.artifactory, *(url for each in sides for url in (each.pypi, each.index))])
