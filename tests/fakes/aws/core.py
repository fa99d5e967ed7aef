# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 by hand: so that a reply can be cut, flipped or slowed at an exact byte."""
import os
import socket
import struct
import sys
import threading
import time
import traceback
from email.utils import formatdate
from urllib.parse import unquote_to_bytes

HEAD_MAX = 64 << 10
BODY_MAX = 4 << 30
REASONS = {
    100: "Continue", 200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content", 301: "Moved Permanently",
    304: "Not Modified", 307: "Temporary Redirect", 400: "Bad Request", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict",
    411: "Length Required", 412: "Precondition Failed", 413: "Content Too Large",
    415: "Unsupported Media Type", 416: "Requested Range Not Satisfiable",
    429: "Too Many Requests", 500: "Internal Server Error", 501: "Not Implemented",
    502: "Bad Gateway", 503: "Slow Down", 504: "Gateway Timeout",
}


class Gone(Exception):
    """The client closed, or sent what is no HTTP."""


class Problem(Exception):
    """An error as the service says it: code, status, message and further members."""

    def __init__(self, status, code, message="", headers=(), **members):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message or code
        self.headers, self.members = list(headers), members


def decode(text):
    """%XX as UTF-8; what is none stays recognisable."""
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")


class Request:
    def __init__(self, method, target, headers):
        self.method, self.target, self.headers = method, target, headers
        self.path, _, self.query_text = target.partition("?")
        self.query = []
        for pair in self.query_text.split("&") if self.query_text else []:
            name, equals, value = pair.partition("=")
            self.query.append((decode(name), decode(value) if equals else None))
        self.wire = self.body = b""  # as sent; without aws-chunked's frame
        self.is_read = False         # by whoever had to know the body to name the operation
        self.service = self.operation = "?"
        self.key = self.bucket = None
        self.signer = None
        self.tls = False
        self.entry = {}

    def header(self, name, default=None):
        for have, value in self.headers:
            if have == name:
                return value
        return default

    def has(self, name):
        return any(have == name for have, _ in self.query)

    def arg(self, name, default=None):
        for have, value in self.query:
            if have == name:
                return value or ""
        return default


class Reply:
    """lead: bytes of the body that go out in a first piece, before the rest (chunked)."""

    def __init__(self, status=200, headers=(), body=b"", lead=None):
        self.status, self.headers, self.lead = status, list(headers), lead
        self.body = body.encode() if isinstance(body, str) else body

    def header(self, name, value):
        self.headers.append((name, str(value)))

    def head(self, request, now):
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Other')}"]
        names = {name.lower() for name, _ in self.headers}
        if "date" not in names:
            lines.append(f"Date: {formatdate(now, usegmt=True)}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.lead is not None:
            lines.append("Transfer-Encoding: chunked")
        elif "content-length" not in names and self.status not in (204, 304):
            lines.append(f"Content-Length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def payload(self, request):
        """The body as it goes out."""
        if request.method == "HEAD" or self.status in (204, 304):
            return b""
        if self.lead is None:
            return self.body
        pieces = [piece for piece in (self.lead, self.body) if piece]
        framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        return framed + b"0\r\n\r\n"


class Stream:
    """A connection, read with a buffer."""

    def __init__(self, sock):
        self.sock, self.kept, self.is_reset = sock, b"", False

    def more(self):
        try:
            piece = self.sock.recv(1 << 18)
        except OSError:
            raise Gone from None
        if not piece:
            raise Gone
        self.kept += piece

    def until(self, mark, limit):
        while mark not in self.kept:
            if len(self.kept) > limit:
                raise Gone
            self.more()
        found, _, self.kept = self.kept.partition(mark)
        return found

    def exactly(self, size):
        pieces, have = [self.kept[:size]], min(size, len(self.kept))
        self.kept = self.kept[size:]
        while have < size:
            try:
                piece = self.sock.recv(min(1 << 20, size - have))
            except OSError:
                raise Gone from None
            if not piece:
                raise Gone
            pieces.append(piece)
            have += len(piece)
        return b"".join(pieces)

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            raise Gone from None

    def request(self):
        if not self.kept:
            self.more()
        if self.kept[0] == 0x16:  # TLS where none is spoken: told at once, as others do
            raise Gone
        head = self.until(b"\r\n\r\n", HEAD_MAX).decode("utf-8", "surrogateescape")
        first, *lines = head.lstrip("\r\n").split("\r\n")
        try:
            method, target, _ = first.split(" ")
            headers = [(name.strip().lower(), value.strip())
                       for name, value in (line.split(":", 1) for line in lines)]
        except ValueError:
            raise Gone from None
        return Request(method, target, headers)

    def body(self, request):
        if (request.header("transfer-encoding") or "").lower() != "chunked":
            size = int(request.header("content-length", "0"))
            if size > BODY_MAX:
                raise Gone
            return self.exactly(size)
        pieces = []
        while size := int(self.until(b"\r\n", 1024).split(b";")[0], 16):
            pieces.append(self.exactly(size))
            self.exactly(2)
        while self.until(b"\r\n", 1024):
            pass
        return b"".join(pieces)

    def end(self):
        try:
            if not self.is_reset:
                self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self.sock.close()

    def reset(self):
        """RST instead of FIN, when it is closed."""
        self.is_reset = True
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass


class Server:
    """One port of this world; `route` names the service that answers a request."""

    def __init__(self, world, route, port=0, quiet=False):
        self.world, self.route, self.quiet = world, route, quiet
        self.sock = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port = self.sock.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            sock, _ = self.sock.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock, tls=False):
        number = self.world.next_connection()
        stream = Stream(sock)
        try:
            while True:
                request = stream.request()
                request.tls = tls
                if not self.one(stream, request, number):
                    break
        except Gone:
            pass
        except Exception:  # our own fault: said aloud, and the client sees a cut
            traceback.print_exc()
        finally:
            stream.end()

    def one(self, stream, request, number):
        """One exchange; whether the connection lives on."""
        world = self.world
        service = self.route(request, stream)
        fault = None
        if not self.quiet:
            world.record(request, number)
            fault = world.script.take(request)
        try:
            return self.exchange(stream, request, service, fault)
        except Gone:
            request.entry["gone"] = True
            raise
        finally:
            request.entry.setdefault("ended", time.time())

    def exchange(self, stream, request, service, fault):
        if fault and fault.read_cut is not None and not request.is_read:
            got = stream.exactly(min(fault.read_cut, int(request.header("content-length", "0"))))
            if hasattr(service, "partial"):
                service.partial(request, got)
            stream.reset()
            return False
        if not request.is_read:
            if request.header("expect", "").lower() == "100-continue":
                stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.wire = stream.body(request)
        request.entry["bytes"] = len(request.wire)
        if fault:
            fault.before(self.world, request)
            if fault.cut == "before":
                return self.cut(stream, fault)
        reply = self.answer(request, service, fault)
        if fault:
            reply = fault.alter(request, reply)
            if fault.cut == "after":
                request.entry["status"] = 0
                return self.cut(stream, fault)
        request.entry["status"] = reply.status
        return self.send(stream, request, reply, fault)

    def cut(self, stream, fault):
        if fault.how == "reset":
            stream.reset()
        return False

    def answer(self, request, service, fault):
        if fault and fault.canned and not fault.commit:
            return fault.reply(request, service)
        try:
            reply = service.handle(request)
        except Problem as problem:
            reply = service.error(request, problem)
        except Exception:
            traceback.print_exc()
            text = "the peer itself failed:\n" + traceback.format_exc()
            reply = service.error(request, Problem(500, "PeerFailure", text))
        if fault and fault.canned:
            return fault.reply(request, service)
        return reply

    def send(self, stream, request, reply, fault):
        head = reply.head(request, self.world.now())
        body = reply.payload(request)
        close = request.header("connection", "").lower() == "close"
        if fault and isinstance(fault.cut, int):
            whole = head + body if fault.cut_from == "head" else body
            if fault.cut_from == "body":
                stream.send(head)
            stream.send(whole[:fault.cut])
            request.entry["sent"] = min(fault.cut, len(whole))
            return self.cut(stream, fault)
        if fault and fault.trickle:
            stream.send(head)
            self.trickle(stream, request, body, fault.trickle)
            return not close
        # before it is sent: who has read the reply may ask for the log at once
        request.entry.update(sent=len(body), ended=time.time())
        if len(body) < 1 << 16:
            stream.send(head + body)
        else:
            stream.send(head)
            stream.send(body)
        return not close

    @staticmethod
    def trickle(stream, request, body, rate):
        for at in range(len(body)):
            request.entry["sent"] = at
            stream.send(body[at:at + 1])
            time.sleep(1 / rate)
        request.entry["sent"] = len(body)


def end_with_parent():
    """Ends this process when whoever started it is gone."""
    def wait():
        while os.read(0, 4096):
            pass
        os._exit(0)
    threading.Thread(target=wait, daemon=True).start()


def say(text):
    print(text, file=sys.stderr, flush=True)
