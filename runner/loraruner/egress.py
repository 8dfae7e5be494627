"""Whom a job may make this machine ask: public addresses, and the hosts that the operator lists.

A name is resolved once, every address that it has is judged, and the connection goes to one of those very addresses:
a name that changes its address meanwhile (DNS rebinding) gains nothing. Stores that the operator names himself, S3
endpoints above all, don't come here.
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from loraruner.errors import InputMissing, NoPermission

VARIABLE = "LORARUNER_ALLOWED_HOSTS"
# What Python's is_global leaves open, in some of its releases or in all: relays and tunnels, which carry other
# addresses inside, documentation and benchmark ranges, and the one metadata service that has a public address (Azure).
REFUSED = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/8", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16"),
        *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)
NAT64 = ip_network("64:ff9b::/96")
# Names of a machine or a site, as every name without a dot is: not handed to a proxy, which may well know them.
LOCAL_NAMES = (".localhost", ".local", ".internal")

AddressInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


@dataclass(frozen=True)
class Egress:
    """The operator's hosts: ``allowed`` by ``LORARUNER_ALLOWED_HOSTS``, ``own`` by a variable that names a server.

    Entries are ``host``, ``host:port`` or ``.suffix`` (every host below it), in lower case.
    """

    allowed: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

    def resolve(self, host: str, port: int) -> Sequence[AddressInfo]:
        """The addresses to connect to.

        Raises NoPermission (77) where one of them is not public and nobody allowed the host, OSError where the name
        cannot be resolved, InputMissing (66) for what can be no name.
        """
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise InputMissing(f"{host[:80]!r} is no host name; correct the address") from error
        if not self.permits(host, port):
            for info in infos:
                if not is_public(str(info[4][0])):
                    address = str(info[4][0])
                    told = "is" if address == host.strip("[]") else f"has the address {address}, which is"
                    raise _refused(host, f"{told} not a public one")
        return infos

    def require(self, host: str, port: int) -> None:
        """The same judgement for a proxy that connects: a name unknown here is left to it, unless it is a local one.

        Raises NoPermission (77) or InputMissing (66).
        """
        try:
            self.resolve(host, port)
        except OSError as error:
            if not self.permits(host, port) and ("." not in host.rstrip(".") or is_listed(host, port, LOCAL_NAMES)):
                raise _refused(host, "is a name of this machine or site") from error

    def permits(self, host: str, port: int) -> bool:
        """Whether the operator named the host."""
        return is_listed(host, port, (*self.allowed, *self.own))


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet; one that carries an IPv4 address is judged by that."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and (inside := _embedded(ip)):
        ip = inside
    return ip.is_global and not any(ip in network for network in REFUSED)


def is_listed(host: str, port: int, entries: Sequence[str]) -> bool:
    """Whether one of ``host``, ``host:port`` and ``.suffix`` matches; case and a last dot don't count."""
    name = host.lower().strip("[]").rstrip(".")
    return any(_matches(entry.lower(), name, port) for entry in entries)


def require_listed(host: str, port: int, entries: Sequence[str]) -> None:
    """Raise NoPermission (77) where the operator lists hosts and this is none of them: the rule for notifiers."""
    if entries and not is_listed(host, port, entries):
        raise NoPermission(f"{host}: is none of the hosts in {VARIABLE} ({', '.join(entries)}); use one of them")


def connect(infos: Sequence[AddressInfo], made: type[socket.socket], timeout_s: float) -> socket.socket:
    """A connection to the first of the addresses that answers, as a socket of the class ``made``; raises OSError."""
    failed: OSError = OSError("the name has no address")
    for family, kind, protocol, _, address in infos:
        link = made(family, kind, protocol)
        try:
            link.settimeout(timeout_s)
            link.connect(address)
        except OSError as error:
            link.close()
            failed = error
        except BaseException:
            link.close()
            raise
        else:
            return link
    raise failed


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a translator would take out of ``ip``."""
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else None


def _matches(entry: str, name: str, port: int) -> bool:
    if entry.startswith("."):
        return name.endswith(entry)
    bare, _, number = entry.rpartition(":")
    if number.isdigit() and bare and (bare.endswith("]") or ":" not in bare):
        return int(number) == port and bare.strip("[]") == name
    return entry.strip("[]").rstrip(".") == name


def _refused(host: str, why: str) -> NoPermission:
    return NoPermission(f"the host {host} {why}; use a public server, or let the operator add it to {VARIABLE}")
