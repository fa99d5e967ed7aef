# SPDX-License-Identifier: Apache-2.0
"""RS256 without a library: a key made at the first use."""
import base64
import hashlib
import json
import math
import secrets
import threading

EXPONENT = 65537
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
SMALL = [p for p in range(3, 2000, 2) if all(p % d for d in range(3, math.isqrt(p) + 1, 2))]


def is_prime(n, rounds=8):
    if any(n % p == 0 for p in SMALL):
        return False
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(rounds):
        x = pow(secrets.randbelow(n - 3) + 2, odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def prime(bits):
    while True:
        n = secrets.randbits(bits) | 3 << bits - 2 | 1
        if (n - 1) % EXPONENT and is_prime(n):
            return n


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Key:
    def __init__(self, bits=2048):
        p, q = prime(bits // 2), prime(bits // 2)
        self.n, self.size = p * q, bits // 8
        self.d = pow(EXPONENT, -1, math.lcm(p - 1, q - 1))
        self.kid = hashlib.sha256(str(self.n).encode()).hexdigest()[:40].upper()

    def padded(self, text):
        told = SHA256_INFO + hashlib.sha256(text.encode()).digest()
        return int.from_bytes(b"\0\1" + b"\xff" * (self.size - len(told) - 3) + b"\0" + told, "big")

    def jwt(self, claims, spoil=False):
        header = {"typ": "JWT", "alg": "RS256", "x5t": self.kid[:27], "kid": self.kid}
        text = ".".join(b64(json.dumps(part).encode()) for part in (header, claims))
        signature = bytearray(pow(self.padded(text), self.d, self.n).to_bytes(self.size, "big"))
        if spoil:
            signature[-1] ^= 1
        return f"{text}.{b64(bytes(signature))}"

    def verified(self, jwt):
        """The claims, or None."""
        try:
            header, claims, signature = jwt.split(".")
            if json.loads(unb64(header)).get("alg") != "RS256":
                return None
            found = pow(int.from_bytes(unb64(signature), "big"), EXPONENT, self.n)
            return json.loads(unb64(claims)) if found == self.padded(f"{header}.{claims}") else None
        except (ValueError, AttributeError):
            return None

    def jwk(self):
        return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.kid,
                "n": b64(self.n.to_bytes(self.size, "big")), "e": b64(EXPONENT.to_bytes(3, "big"))}


class Lazy:
    """The key of this process: made once, when it is first needed."""

    def __init__(self):
        self.lock, self.key = threading.Lock(), None

    def get(self):
        with self.lock:
            if self.key is None:
                self.key = Key()
            return self.key


KEY = Lazy()
