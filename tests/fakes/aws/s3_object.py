# SPDX-License-Identifier: Apache-2.0
"""What S3 keeps."""
import bisect
import fnmatch
import hashlib

import checksums


class Object:
    def __init__(self, body, now, headers=(), storage_class="STANDARD", etag=None):
        self.body, self.modified, self.headers = body, now, list(headers)
        self.storage_class = storage_class
        self.etag = etag or f'"{hashlib.md5(body).hexdigest()}"'
        self.algorithm = self.checksum = None
        self.checksum_type = "FULL_OBJECT"

    def digested(self, algorithm=None):
        self.algorithm = algorithm or "crc64nvme"
        self.checksum = checksums.digest(self.algorithm, self.body)
        return self


class Bucket:
    def __init__(self, name, region, owner, create_once=()):
        self.name, self.region, self.owner = name, region, owner
        self.create_once = list(create_once)
        self.objects, self.uploads, self.order = {}, {}, None

    def put(self, key, made):
        if key not in self.objects:
            self.order = None
        self.objects[key] = made

    def remove(self, key):
        if self.objects.pop(key, None):
            self.order = None

    def keys_from(self, after, inclusive=False):
        """Keys in byte order (of UTF-8, which is that of code points)."""
        if self.order is None:
            self.order = sorted(self.objects)
        find = bisect.bisect_left if inclusive else bisect.bisect_right
        return self.order[find(self.order, after):]

    def is_created_once(self, key):
        return any(fnmatch.fnmatchcase(key, glob) for glob in self.create_once)


def checksum_headers(made):
    if not made.checksum:
        return []
    return [("x-amz-checksum-" + made.algorithm, made.checksum),
            ("x-amz-checksum-type", made.checksum_type)]
