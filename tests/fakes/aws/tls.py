# SPDX-License-Identifier: Apache-2.0
"""TLS with AWS's own names: an authority made by openssl, and a proxy that plays every host."""
import os
import pathlib
import ssl
import subprocess
import threading

from core import Gone, Server, Stream


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdin=subprocess.DEVNULL, capture_output=True)


class Authority:
    def __init__(self, folder):
        self.folder, self.lock, self.contexts = pathlib.Path(folder), threading.Lock(), {}
        self.file = str(self.folder / "ca.pem")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", str(self.folder / "ca.key"), "-out", self.file, "-days", "2",
                "-subj", "/CN=peer", "-addext", "keyUsage=critical,keyCertSign")

    def context(self, host):
        with self.lock:
            if host not in self.contexts:
                self.contexts[host] = self.make(host)
            return self.contexts[host]

    def make(self, host):
        base = str(self.folder / f"leaf{len(self.contexts)}")
        alt = f"IP:{host}" if host.replace(".", "").isdigit() else f"DNS:{host}"
        with open(base + ".ext", "w") as out:
            out.write(f"subjectAltName={alt}\n")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", base + ".key", "-out", base + ".csr", "-subj", "/CN=peer")
        openssl("x509", "-req", "-in", base + ".csr", "-CA", self.file, "-CAkey",
                str(self.folder / "ca.key"), "-set_serial", str(int.from_bytes(os.urandom(8), "big")),
                "-days", "2", "-extfile", base + ".ext", "-out", base + ".pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(base + ".pem", base + ".key")
        return context


class TlsServer(Server):
    """https on loopback."""

    def __init__(self, world, route, authority):
        self.authority = authority
        super().__init__(world, route)
        self.url = f"https://localhost:{self.port}"

    def serve(self, sock, tls=True):
        self.serve_host(sock, "localhost")

    def serve_host(self, sock, host):
        try:
            wrapped = self.authority.context(host).wrap_socket(sock, server_side=True)
        except (OSError, subprocess.CalledProcessError):
            sock.close()
            return
        super().serve(wrapped, True)


class Proxy(TlsServer):
    """CONNECT any host: we are it."""

    def __init__(self, world, route, authority):
        super().__init__(world, route, authority)
        self.url = f"http://127.0.0.1:{self.port}"

    def serve(self, sock, tls=True):
        stream = Stream(sock)
        try:
            request = stream.request()
            if request.method != "CONNECT":
                stream.send(b"HTTP/1.1 405 CONNECT only\r\nContent-Length: 0\r\n\r\n")
                raise Gone
            stream.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        except Gone:
            sock.close()
            return
        self.serve_host(sock, request.target.rpartition(":")[0])
