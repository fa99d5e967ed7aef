# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy that flips one bit in the body of requests."""
import socket
import threading
import urllib.parse


class Flipper:
    """In front of url; the first `times` connections' first PUT with a body lose one bit of it."""

    def __init__(self, url, times):
        where = urllib.parse.urlsplit(url)
        self.target, self.times, self.flipped = (where.hostname, where.port), times, 0
        self.lock = threading.Lock()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.socket.close()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            for source, target, work in ((client, server, self.harm), (server, client, bytes)):
                threading.Thread(target=self.copy, args=(source, target, work),
                                 daemon=True).start()

    def copy(self, source, target, work):
        try:
            while data := source.recv(1 << 16):
                target.sendall(work(data))
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def harm(self, data):
        """A body's beginning: the bytes after a head, or a piece that has no head."""
        head = data.find(b"\r\n\r\n")
        at = head + 4 if data.startswith((b"PUT ", b"POST ")) and head > 0 else 0
        if not data.startswith((b"PUT ", b"GET ", b"HEAD ", b"POST ", b"DELETE ")) or \
                (data.startswith(b"PUT ") and at < len(data)):
            with self.lock:
                if self.flipped < self.times:
                    self.flipped += 1
                    harmed = bytearray(data)
                    harmed[at] ^= 1
                    return bytes(harmed)
        return data
