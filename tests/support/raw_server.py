"""A TCP server that answers every connection with given pieces of bytes: for answers that no real server sends."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager


@contextmanager
def answering(pieces: Callable[[], Iterable[bytes]]) -> Iterator[str]:
    """Serve on loopback and yield the address; each connection gets ``pieces()`` until it is closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def answer(link: socket.socket) -> None:
        with link:
            try:
                link.recv(65536)
                for piece in pieces():
                    if ended.is_set():
                        return
                    link.sendall(piece)
            except OSError:
                return  # the client left, as it should

    def serve() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(link,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
