# SPDX-License-Identifier: Apache-2.0
"""Random requests signed by us and by botocore: canonical request and signature must be equal."""
import datetime
import json
import os
import random
import subprocess
from unittest import mock
from urllib.parse import quote, urlsplit

import pytest

auth = pytest.importorskip("botocore.auth")
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402

COUNT = 10_000 if os.environ.get("SOAK") else 500
SEED = int(os.environ.get("BRANCHLINE_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 32)
SIGNERS = {
    # service is S3, presigned: botocore's signer
    (True, False): auth.S3SigV4Auth,
    (True, True): auth.S3SigV4QueryAuth,
    (False, False): auth.SigV4Auth,
    (False, True): auth.SigV4QueryAuth,
}
AWKWARD = ["a//b", "a/../b", "./x", "..", "a b", "a+b", "a%2Fb", "é", "~t", "a?b#c", "x/", "\x01",
           "line\nbreak", "(1)*!'", "k" * 1024, "k" * 1025, "", "日本", "&=;:@$,", "%", "\"<>\\^`{|}"]
REGIONS = ["us-east-1", "eu-central-1", "ap-southeast-4", "us-gov-west-1", "cn-north-1"]
SERVICES = ["sts", "ec2", "ecr", "logs", "secretsmanager"]


@pytest.fixture(scope="module")
def signer(bin_dir):
    program = bin_dir.parent / "tests" / "test_sigv4"
    if not program.exists():
        pytest.skip(f"no {program}: built by make test, not by make dist")
    with subprocess.Popen([program, "--sign"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True, encoding="utf-8") as process:
        def sign(request):
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            assert line, f"the signer ended at {request!r}"
            return json.loads(line)

        yield sign
        process.stdin.close()
        assert process.wait(timeout=10) == 0


def some_text(rng, most=12):
    if rng.random() < 0.3:
        return rng.choice(AWKWARD)
    alphabet = "abcXYZ019-._~ /+%=&?#:;,@!$'()*[]\té€\U0001f600"
    return "".join(rng.choice(alphabet) for _ in range(rng.randrange(most)))


def some_name(rng):
    return "".join(rng.choice("abcdefXYZ-019") for _ in range(rng.randrange(1, 10)))


def some_request(rng, s3, presigned):
    path = "/" + "/".join(some_text(rng) for _ in range(rng.randrange(4)))
    query = [(some_text(rng) or "q", rng.choice([None, "", some_text(rng), some_text(rng)]))
             for _ in range(rng.randrange(6))]
    if query and not presigned and rng.random() < 0.3:  # botocore presigns no repeated name
        query.append((query[0][0], some_text(rng)))
    if presigned:
        query = list(dict(query).items())
    host = rng.choice(["bucket.s3.eu-central-1.amazonaws.com", "localhost:9000", "[::1]:81",
                       "sts.us-east-1.amazonaws.com"])
    headers = [("Host", host)]
    for _ in range(rng.randrange(5)):
        value = " ".join(rng.choice(["v", "a  b", "\t", " ", "x,y", "\"q\"", "é", ""])
                         for _ in range(rng.randrange(4)))
        name = rng.choice(["X-Amz-Meta-", "x-custom-", "Content-"]) + some_name(rng)
        headers.append((name, value))
    if rng.random() < 0.2:
        headers.append((headers[-1][0].upper(), "again") if len(headers) > 1 else ("if-match", "*"))
    hashed = rng.choice(["UNSIGNED-PAYLOAD", "%064x" % rng.getrandbits(256)])
    if presigned and s3:
        hashed = "UNSIGNED-PAYLOAD"
    elif s3 or rng.random() < 0.5:
        headers.append(("x-amz-content-sha256", hashed))
    rng.shuffle(headers)
    return {
        "method": rng.choice(["GET", "PUT", "POST", "HEAD", "DELETE"]),
        "path": quote(path, safe="/~"),
        "query": query,
        "headers": headers,
        "hash": hashed,
        "region": rng.choice(REGIONS),
        "service": "s3" if s3 else rng.choice(SERVICES),
        "s3": s3,
        "ms": rng.randrange(0, 4_102_444_800_000),
        "access_key": "AKID" + some_name(rng),
        "secret": "".join(rng.choice("abcXYZ019+/") for _ in range(40)),
        "token": rng.choice([None, "to+ken/=" + some_name(rng) * 9]),
        "expires": rng.randrange(1, 604801),
    }


def by_botocore(request, presigned):
    """(canonical request, signature, SignedHeaders) of botocore's own signer."""
    query = "&".join(quote(name, safe="-_.~") + ("" if value is None else "=" + quote(value, safe="-_.~"))
                     for name, value in request["query"])
    host = next(value for name, value in request["headers"] if name == "Host")
    aws = AWSRequest(request["method"], f"https://{host}{request['path']}" + (query and "?" + query))
    for name, value in request["headers"]:
        aws.headers.add_header(name, value)
    credentials = Credentials(request["access_key"], request["secret"], request["token"])
    args = {"expires": request["expires"]} if presigned else {}
    signer = SIGNERS[request["s3"], presigned](credentials, request["service"], request["region"],
                                               **args)
    seen = {}
    genuine = signer.string_to_sign

    def spy(aws_request, canonical):
        seen["canonical"] = canonical
        return genuine(aws_request, canonical)

    signer.string_to_sign = spy
    signer.payload = lambda _: request["hash"]
    now = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=request["ms"])
    with mock.patch("botocore.auth.get_current_datetime", lambda: now):
        signer.add_auth(aws)
    if presigned:
        return seen["canonical"], urlsplit(aws.url).query.rpartition("X-Amz-Signature=")[2], None
    return seen["canonical"], None, aws.headers["Authorization"]


@pytest.mark.sample
@pytest.mark.parametrize("s3", [True, False], ids=["s3", "other"])
@pytest.mark.parametrize("presigned", [False, True], ids=["header", "query"])
def test_agrees_with_botocore(signer, s3, presigned):
    print(f"BRANCHLINE_SEED={SEED}")
    rng = random.Random(f"{SEED} {s3} {presigned}")
    for number in range(COUNT // 4):
        request = some_request(rng, s3, presigned)
        canonical, signature, authorization = by_botocore(request, presigned)
        ours = signer(request)
        at = f"request {number} of BRANCHLINE_SEED={SEED}: {request!r}"
        assert ours["query_canonical" if presigned else "canonical"] == canonical, at
        if presigned:
            assert ours["query"].rpartition("&X-Amz-Signature=")[2] == signature, at
        else:
            lines = dict(line.split(": ", 1) for line in ours["lines"].splitlines())
            assert lines["authorization"] == authorization, at
            assert lines.get("x-amz-security-token") == request["token"], at
