/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_IMAGE_BUILD_H
#define BL_RUN_IMAGE_BUILD_H

#include "codec/git_tree.h"
#include "codec/oci.h"
#include "net/registry.h"

#include <stdatomic.h>

/*
 * A base that has to be built: from image.dockerfile, or from image.requirements on top of
 * image.base (then the Dockerfile is ours). Everything is read from the commit.
 */
struct bl_build {
	struct bl_git_tree *tree;
	const char *dockerfile;   /* path in the tree, or NULL */
	const char *requirements; /* path in the tree, or NULL */
	const char *context;      /* of the Dockerfile; "." the root */
	const char *base;         /* for requirements: "registry/name@sha256:..." */
	const char *platform;     /* "linux/amd64" */
	const char *tool_version; /* joins the hash */
	/* Of bl_build_run() alone. */
	bool is_main;       /* the layers' cache that it writes is the one that main reads */
	bl_login_fn *login; /* NULL: the builder's own configuration is all there is */
	void *login_arg;
	atomic_bool *stop;                        /* NULL: none */
	void (*say)(void *arg, const char *text); /* what the reader should know; NULL */
	void *arg;
};

/*
 * What the base is a function of, hashed: 16 hex digits. For a Dockerfile: its bytes, platform, and
 * path, mode and id of every file in the context that .dockerignore (of the commit) leaves; the
 * digests of images in FROM where they are pinned. For requirements: the base's digest, the file
 * and what it names in the tree (-r, -c, pyproject.toml beside uv.lock), our Dockerfile's text.
 * BL_EINPUT: a file that is not in the commit, with the nearest name; a FROM by tag is let through
 * with a warning in *warn (its base may move unseen).
 */
#define BL_BUILD_HASH 17
BL_MUST int bl_build_hash(const struct bl_build *build, char hash[BL_BUILD_HASH],
                          struct bl_buf *warn, struct bl_err *err);

/*
 * The Dockerfile that we write for a requirements file; pure. By its name: requirements*.txt (pip;
 * hashes are demanded where it has some), pylock.toml and uv.lock (uv, which is fetched into a
 * folder of the build's own). The packages are a layer of their own below the code.
 */
BL_MUST int bl_build_dockerfile(const char *requirements, const char *base, struct bl_buf *out,
                                struct bl_err *err);

enum bl_builder { BL_BUILDER_NONE, BL_BUILDER_BUILDAH, BL_BUILDER_DOCKER };
/* What PATH has; BRANCHLINE_BUILDER=buildah|docker chooses. docker counts when its buildx and
 * daemon answer. path: of the program. */
BL_MUST int bl_build_find(enum bl_builder *out, char path[4096], struct bl_err *err);

/* Pure: the arguments, NULL-ended, for tests and for the act itself. Texts live in `text`. */
struct bl_build_plan {
	enum bl_builder builder;
	const char *program, *context_dir, *dockerfile_path, *platform;
	const char *ignore_path;  /* of a file that leaves nothing out: the context is what it is */
	const char *name;         /* of the image in the builder's storage, its own for each hash */
	const char *layout_dir;   /* where the image goes, as an OCI layout, tag "base" */
	const char *cache_ref;    /* "registry/repository" for layers' cache; NULL: none */
	bool is_main;             /* writes main's cache; all others read it, and write their own */
	const char *epoch;        /* SOURCE_DATE_EPOCH; NULL: times as they come */
	const char *auth_file;    /* for buildah; NULL: the user's own */
	const char *instance;     /* of buildx, that can write an OCI layout; NULL: one is made */
	const char *new_instance; /* and called so */
	bool plain_http;          /* every base is in a registry on loopback */
};
#define BL_BUILD_ARGS 48
BL_MUST int bl_build_args(const struct bl_build_plan *plan, unsigned step, struct bl_buf *text,
                          const char *args[BL_BUILD_ARGS], size_t *n, struct bl_err *err);
/* How many commands there are to run; the last is for cleaning up where is_cleanup says so. */
unsigned bl_build_steps(const struct bl_build_plan *plan);
bool bl_build_is_cleanup(const struct bl_build_plan *plan, unsigned step);

/*
 * Builds into an OCI layout, tag "base", in a folder below `work` (the caller's, and empty):
 * context from the commit, disk space checked before (need of it, and what can be freed, in the
 * error), the builder's output passed through to stderr. The child is ended when *stop becomes true
 * (BL_ECANCELLED). BL_EINPUT: the build failed: the builder's last lines, and where it stands.
 * Where ECR is asked, of which builders know nothing, they get our logins in a file below `work`.
 */
BL_MUST int bl_build_run(const struct bl_build *build, const char *work, const char *cache_ref,
                         char layout[4096], struct bl_err *err);

#endif
