"""A proxy for ``HTTPS_PROXY``: every CONNECT leads to one server, whatever name was asked for."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Tunnels:
    """The proxy's address, and for which names tunnels were asked until now."""

    url: str
    seen: list[str] = field(default_factory=list)


@contextmanager
def leading_to(port: int) -> Iterator[Tunnels]:
    """Serve on loopback; all tunnels lead to 127.0.0.1 and ``port``."""
    listener = socket.create_server(("127.0.0.1", 0))
    tunnels = Tunnels(f"http://127.0.0.1:{listener.getsockname()[1]}")

    def serve() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_tunnel, args=(link, port, tunnels), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield tunnels
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _tunnel(link: socket.socket, port: int, tunnels: Tunnels) -> None:
    with link, socket.create_connection(("127.0.0.1", port)) as there:
        request = b""
        while b"\r\n\r\n" not in request:
            request += link.recv(65536)
        tunnels.seen.append(request.split(b" ")[1].decode())
        link.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        back = threading.Thread(target=_copy, args=(there, link), daemon=True)
        back.start()
        _copy(link, there)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return
