# SPDX-License-Identifier: Apache-2.0
"""A way to a server that can be shut: connections are refused, or accepted and left hanging."""
import contextlib
import selectors
import socket
import threading
import urllib.parse


class Door:
    def __init__(self, url):
        there = urllib.parse.urlsplit(url)
        self.there = (there.hostname, there.port)
        self.mode, self.pairs, self.lock = "open", [], threading.Lock()
        self.turned_away = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                if self.mode == "open":
                    server = socket.create_connection(self.there)
                    self.pairs.append((client, server))
                    threading.Thread(target=self.pass_on, args=(client, server), daemon=True).start()
                    continue
                self.turned_away += 1
                if self.mode == "hang":
                    self.pairs.append((client, client))
                    continue
            self.reset(client)

    @staticmethod
    def reset(sock):
        """The peer sees a reset, as from a host that has gone."""
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()

    @staticmethod
    def pass_on(client, server):
        with selectors.DefaultSelector() as ready, contextlib.suppress(OSError, ValueError):
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select():
                    piece = key.fileobj.recv(65536)
                    if not piece:
                        raise OSError("closed")
                    key.data.sendall(piece)
        for sock in (client, server):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def shut(self, mode="refuse"):
        """What is under way ends, and nothing more gets through; "hang": nobody answers."""
        with self.lock:
            self.mode = mode
            for client, server in self.pairs:
                self.reset(client)
                self.reset(server)
            self.pairs.clear()

    def open(self):
        with self.lock:
            self.mode = "open"
            for client, _ in self.pairs:
                self.reset(client)
            self.pairs.clear()

    def close(self):
        self.shut()
        self.listener.close()
