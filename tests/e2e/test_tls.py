# SPDX-License-Identifier: Apache-2.0
"""Which servers are believed: certificates, names and versions of TLS."""
import os
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from conftest import PATIENCE

CALLER = (b"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/u"
          b"</Arn><UserId>AID</UserId><Account>123456789012</Account></GetCallerIdentityResult>"
          b"</GetCallerIdentityResponse>")

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl to make certificates with")


def openssl(folder, *args):
    subprocess.run(["openssl", *map(str, args)], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A CA, and of it: server (127.0.0.1), other (another name), old (over)."""
    folder = tmp_path_factory.mktemp("ca")
    new_key = ["-newkey", "rsa:2048", "-nodes"]
    openssl(folder, "req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", 2,
            "-subj", "/CN=Test CA")
    for name, san, days in (("server", "IP:127.0.0.1", 2), ("other", "DNS:other.example", 2),
                            ("old", "IP:127.0.0.1", -1)):
        openssl(folder, "req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr",
                "-subj", f"/CN={name}")
        (folder / "ext").write_text(f"subjectAltName={san}\n")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", f"{name}.pem", "-days", days, "-extfile", "ext")
    return folder


def read_request(tls):
    """All of it: closing with bytes unread would reset the connection."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += tls.recv(65536)
    head, _, body = got.partition(b"\r\n\r\n")
    left = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) - len(body)
    while left > 0:
        left -= len(tls.recv(left))


@pytest.fixture
def serve(certificates):
    """serve(name, context changes) -> its URL; answers any request as STS would."""
    sockets = []

    def start(name, change=lambda context: None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
        change(context)
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def loop():
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(plain, server_side=True) as tls:
                        tls.settimeout(PATIENCE)
                        read_request(tls)
                        tls.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                                    % (len(CALLER), CALLER))
                except OSError:
                    plain.close()

        threading.Thread(target=loop, daemon=True).start()
        return f"https://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in sockets:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def whoami(branchline, url, folder, **extra):
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "AWS_ENDPOINT_URL": url,
           "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1",
           "AWS_MAX_ATTEMPTS": "1"} | {name: str(value) for name, value in extra.items()}
    return subprocess.run([branchline, "whoami"], env=env, cwd=folder, capture_output=True, text=True,
                          timeout=PATIENCE)


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_ca_that_the_user_names_is_believed(branchline, serve, certificates, tmp_path, variable):
    done = whoami(branchline, serve("server"), tmp_path, **{variable: certificates / "ca.pem"})
    assert done.returncode == 0, done.stderr
    assert "123456789012" in done.stdout


@pytest.mark.parametrize("name, named", [("server", False), ("other", True), ("old", True)])
def test_a_certificate_that_proves_nothing_is_refused(branchline, serve, certificates, tmp_path,
                                                      name, named):
    """An unknown CA, another's name, one that is over."""
    extra = {"AWS_CA_BUNDLE": certificates / "ca.pem"} if named else {}
    done = whoami(branchline, serve(name), tmp_path, **extra)
    assert done.returncode not in (0, 75), done.stderr
    assert "ertificate" in done.stderr and done.stdout == ""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_old_tls_is_refused(branchline, serve, certificates, tmp_path):
    def only_1_1(context):
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    done = whoami(branchline, serve("server", only_1_1), tmp_path,
                  AWS_CA_BUNDLE=certificates / "ca.pem")
    assert done.returncode != 0 and done.stdout == ""


def test_tls_1_2_is_enough(branchline, serve, certificates, tmp_path):
    def only_1_2(context):
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    done = whoami(branchline, serve("server", only_1_2), tmp_path,
                  AWS_CA_BUNDLE=certificates / "ca.pem")
    assert done.returncode == 0, done.stderr


def test_a_bundle_that_is_not_there_is_named(branchline, serve, tmp_path):
    done = whoami(branchline, serve("server"), tmp_path, AWS_CA_BUNDLE=tmp_path / "none.pem")
    assert done.returncode == 2 and "none.pem" in done.stderr
    assert done.stderr.count("\n") == 1


def test_plain_http_goes_nowhere_else(branchline, tmp_path):
    done = whoami(branchline, "http://aws.example:80", tmp_path)
    assert done.returncode == 2 and "plain http" in done.stderr
