"""Which hosts may be asked: public ones, and those that the operator names."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from loraruner import egress
from loraruner.egress import Egress, is_listed, is_public
from loraruner.errors import InputMissing, NoPermission

Names = Callable[..., None]
PUBLIC = "93.184.216.34"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Says what names resolve to; every further answer to the same name is 127.0.0.1, as a rebinding server's is."""

    def given(**addresses: tuple[str, ...]) -> None:
        known = {name.replace("_", "."): list(found) for name, found in addresses.items()}

        def resolve(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
            if host not in known:
                raise socket.gaierror(-2, "Name or service not known")
            found, known[host] = known[host], ["127.0.0.1"]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)

    return given


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "0.0.0.0", "0.1.2.3"),
        *("169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "198.18.0.1"),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1", "203.0.113.5"),
        *("::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::10.0.0.1"),
        *("64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:0a00:0001::1", "2001::1", "2001:db8::1"),
        *("fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "100::1"),
    ],
)
def test_not_public(address: str) -> None:
    """Private, loopback, link-local, shared, reserved and multicast ranges, metadata services, what carries them."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", PUBLIC, "172.32.0.1", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
)
def test_public(address: str) -> None:
    """Ordinary addresses, also of IPv4 inside IPv6."""
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "::1", "localhost", "LOCALHOST", "0"],
)
def test_every_spelling_of_this_machine(host: str) -> None:
    """Decimal, octal and hexadecimal addresses, short ones, and names mean what the system makes of them."""
    with pytest.raises(NoPermission, match=r"the host .* is not a public one; .*LORARUNER_ALLOWED_HOSTS"):
        Egress().resolve(host, 443)


def test_all_addresses_are_judged(names: Names) -> None:
    """One private address among public ones is enough."""
    names(mixed_example=(PUBLIC, "10.0.0.5"))
    with pytest.raises(NoPermission, match=r"mixed\.example has the address 10\.0\.0\.5"):
        Egress().resolve("mixed.example", 443)


def test_the_judged_address_is_the_one_that_is_asked(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolves to this machine from the second time on gains nothing: it is resolved once."""
    asked: list[Any] = []

    def refuse(self: socket.socket, address: Any) -> None:
        asked.append(address)
        raise ConnectionRefusedError

    names(rebinding_example=(PUBLIC,))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    infos = Egress().resolve("rebinding.example", 443)
    with pytest.raises(ConnectionRefusedError):
        egress.connect(infos, socket.socket, 1)
    assert asked == [(PUBLIC, 443)]


def test_what_the_operator_allows(names: Names) -> None:
    """A listed host may have any address, and so may the one that a variable of his names, at that port."""
    names(mirror_internal=("10.0.0.5",))
    assert Egress(("mirror.internal",)).resolve("mirror.internal", 443)[0][4] == ("10.0.0.5", 443)
    assert Egress(own=("[mirror.internal]:8081",)).resolve("mirror.internal", 8081)
    with pytest.raises(NoPermission):
        Egress(own=("[mirror.internal]:8081",)).resolve("mirror.internal", 443)


@pytest.mark.parametrize(
    ("entry", "host", "port", "listed"),
    [
        ("mirror", "mirror", 443, True),
        ("mirror", "MIRROR.", 8443, True),
        ("Mirror", "mirror", 443, True),
        ("mirror:8443", "mirror", 8443, True),
        ("mirror:8443", "mirror", 443, False),
        ("mirror", "evil-mirror", 443, False),
        ("mirror", "mirror.evil", 443, False),
        (".corp.example", "a.b.corp.example", 443, True),
        (".corp.example", "corp.example", 443, False),
        (".corp.example", "evilcorp.example", 443, False),
        ("10.0.0.5", "10.0.0.5", 443, True),
        ("[fd00::5]:443", "fd00::5", 443, True),
        ("[fd00::5]:443", "fd00::5", 80, False),
        ("fd00::5", "fd00::5", 80, True),
    ],
)
def test_entries(entry: str, host: str, port: int, listed: bool) -> None:
    """``host``, ``host:port`` and ``.suffix`` match whole names, without regard to case or a last dot."""
    assert is_listed(host, port, (entry,)) is listed


@pytest.mark.parametrize(
    "host",
    ["localhost", "x.localhost", "printer.local", "metadata.google.internal", "metadata", "jenkins", "intranet."],
)
def test_local_names_are_not_left_to_a_proxy(names: Names, host: str) -> None:
    """A name unknown here goes to the proxy, unless it is one of this machine or site."""
    names()
    Egress().require("files.example", 443)
    Egress((host,)).require(host, 443)
    with pytest.raises(NoPermission, match="is a name of this machine or site"):
        Egress().require(host, 443)


def test_what_can_be_no_name() -> None:
    """A label that is too long is the address's fault, not ours."""
    with pytest.raises(InputMissing, match="is no host name"):
        Egress().resolve("x" * 70 + ".example", 443)


def test_notifiers_are_limited_to_the_list() -> None:
    """Once the operator lists hosts, messages go to no other; without a list they may go to any public one."""
    egress.require_listed("chat.example", 443, ())
    egress.require_listed("chat.example", 443, (".example",))
    with pytest.raises(NoPermission, match=r"other\.host: is none of .* LORARUNER_ALLOWED_HOSTS \(\.example\)"):
        egress.require_listed("other.host", 443, (".example",))
