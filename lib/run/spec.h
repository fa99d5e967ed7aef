/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_SPEC_H
#define BL_RUN_SPEC_H

#include "codec/git.h"
#include "run/config.h"
#include "run/keys.h"

/*
 * run.json: everything that decides what a run computes, created once before anything
 * starts. Design 4.2.
 */
struct bl_spec_channel {
	const char *name, *uri, *digest; /* digest: SHA-256, hex */
	uint64_t files, bytes, records;
};

struct bl_spec_parent {
	const char *run, *manifest; /* manifest: whole key */
	const char *crc;            /* CRC64NVME text of the manifest */
};

struct bl_spec {
	const char *run; /* id */
	const char *nonce;
	const char *kind;   /* "local" */
	int64_t created_ms; /* wall */
	const char *actor;  /* login name, "" unknown */
	const struct bl_config *config;
	const struct bl_git *git;
	const char *repo_key;                 /* 16 hex digits */
	const char *repo_name;                /* "host/owner/name" or a path */
	const char *patch_key, *patch_sha256; /* NULL: clean */
	const struct bl_spec_channel *channels;
	size_t n_channels;
	const char *data_digest; /* SHA-256, hex */
	const struct bl_spec_parent *parents;
	size_t n_parents;
	const char *engine; /* "process" */
	const char *root;   /* directory of the repository or of the caller */
	const char *cwd;    /* where the command starts: absolute */
};

/* The document; the buffer's latch tells of failure. */
void bl_spec_write(const struct bl_spec *spec, struct bl_buf *out);

/* SHA-256 over the channels' names and digests, in the order of their names. */
BL_MUST int bl_spec_data_digest(const struct bl_spec_channel *channels, size_t n,
                                char hex[BL_SHA256_HEX], struct bl_err *err);

#endif
