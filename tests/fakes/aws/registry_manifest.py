# SPDX-License-Identifier: Apache-2.0
"""What a registry demands of a manifest before it takes it."""
import json
import re

from core import Problem

OCI, DOCKER = "application/vnd.oci.image.", "application/vnd.docker.distribution."
MANIFESTS = {OCI + "manifest.v1+json": OCI + "config.v1+json",
             DOCKER + "manifest.v2+json": "application/vnd.docker.container.image.v1+json"}
INDEXES = (OCI + "index.v1+json", DOCKER + "manifest.list.v2+json")


def invalid(text):
    return Problem(400, "MANIFEST_INVALID", text)


def no_twice(pairs):
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name twice")
    return made


class Manifest:
    def __init__(self, body, content_type):
        self.media_type = content_type.split(";")[0].strip()
        if self.media_type not in (*MANIFESTS, *INDEXES):
            raise invalid(f"Content-Type {content_type!r} is no manifest's")
        try:
            self.doc = json.loads(body, object_pairs_hook=no_twice)
        except ValueError as error:
            raise invalid(f"no JSON: {error}") from None
        if not isinstance(self.doc, dict) or self.doc.get("schemaVersion") != 2:
            raise invalid("schemaVersion is not 2")
        if self.doc.get("mediaType", self.media_type) != self.media_type:
            raise invalid(f"mediaType is {self.doc['mediaType']!r}, Content-Type {content_type!r}")

    def check(self, repository):
        """All that it names is here, in that size."""
        notes = self.doc.get("annotations", {})
        if not all(isinstance(text, str) for text in notes.values()):
            raise invalid("an annotation that is no text")
        if self.media_type in INDEXES:
            for one in self.doc.get("manifests", []):
                self.look(one, {digest: body for digest, (_, body) in repository.manifests.items()},
                          "MANIFEST_UNKNOWN")
            return
        config, layers = self.doc.get("config"), self.doc.get("layers")
        if not config or not layers:
            raise invalid("no config, or no layers")
        for one in (config, *layers):
            self.look(one, repository.blobs, "MANIFEST_BLOB_UNKNOWN")
        if config["mediaType"] == MANIFESTS[self.media_type]:  # no artefact's
            self.check_config(json.loads(repository.blobs[config["digest"]]), len(layers))

    @staticmethod
    def check_config(config, n_layers):
        if not config.get("architecture") or not config.get("os"):
            raise invalid("the config names no platform")
        if len(config.get("rootfs", {}).get("diff_ids", [])) != n_layers:
            raise invalid("as many layers as diff_ids are wanted")
        made = [one for one in config.get("history", []) if not one.get("empty_layer")]
        if config.get("history") and len(made) != n_layers:
            raise invalid("the history is not that of the layers")

    @staticmethod
    def look(one, have, code):
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", one.get("digest", "")) or not one.get("mediaType"):
            raise invalid(f"{one} describes nothing")
        if one["digest"] not in have:
            raise Problem(404 if code == "MANIFEST_UNKNOWN" else 400, code,
                          f"{one['digest']} is unknown to the registry")
        if len(have[one["digest"]]) != one.get("size"):
            raise invalid(f"{one['digest']} has {len(have[one['digest']])} bytes, not {one.get('size')}")
