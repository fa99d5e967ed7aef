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

/* What only a run that launch made knows. Unknown texts are "" or NULL, numbers NaN or 0. */
struct bl_spec_type {
	const char *type, *template_id; /* instance type; launch template, "" without one */
};

struct bl_spec_cloud {
	const char *repository_id; /* GitHub's own number */
	const char *group, *labeller, *base_sha;
	int64_t pr;
	const char *image, *image_digest, *base_digest, *image_arch, *image_cuda;
	const char *stack, *region, *market, *launch_key;
	const struct bl_spec_type *types; /* n_types, those that may be bought */
	size_t n_types;
	const char *host_sha256; /* of branchline-runner, below host/ in the store */
	const char *actions_url; /* of the workflow's run */
	double usd_hour_low, usd_hour_high, disk_usd_hour, usd_max;
};

struct bl_spec {
	const char *run; /* id */
	const char *nonce;
	const char *kind;   /* "local", "cloud" */
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
	const char *engine;                /* "process", "ec2" */
	const char *root;                  /* directory of the repository or of the caller */
	const char *cwd;                   /* where the command starts: absolute */
	const struct bl_spec_cloud *cloud; /* NULL: kind "local" */
};

/* The document; the buffer's latch tells of failure. */
void bl_spec_write(const struct bl_spec *spec, struct bl_buf *out);

/* SHA-256 over the channels' names and digests, in the order of their names. */
BL_MUST int bl_spec_data_digest(const struct bl_spec_channel *channels, size_t n,
                                char hex[BL_SHA256_HEX], struct bl_err *err);

#endif
