/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_IMAGE_BUILD_PARTS_H
#define BL_RUN_IMAGE_BUILD_PARTS_H

#include "run/image_build.h"

/* What image_build*.c share, and what the tests look into. */

#define BUILD_PATH_SIZE 4097             /* of a path in a tree */
#define BUILD_FILE_MAX ((size_t)8 << 20) /* Dockerfile, .dockerignore, requirements, locks */
/* All files of a base's own layers: zip, and so wheels, know no time before 1980. */
#define BUILD_EPOCH "315532800"

/*
 * image_build_dockerignore.c: .dockerignore as BuildKit and buildah read it. Unlike .gitignore
 * every pattern is tied to the context's root, '/' at the end means nothing, and '!' takes back
 * also what lies in a directory that was left out. The last that matches the path or a directory
 * above it decides.
 */
struct build_ignore;
BL_MUST int build_ignore_parse(const char *bytes, size_t len, const char *file,
                               struct build_ignore **out, struct bl_err *err);
void build_ignore_free(struct build_ignore *ignore); /* takes NULL */
void build_ignore_auto(struct build_ignore **ignore);
#define BUILD_IGNORE __attribute__((cleanup(build_ignore_auto))) struct build_ignore *
/* ignore NULL: nothing is left out. */
bool build_ignore_matches(const struct build_ignore *ignore, const char *path);

/*
 * image_build_from.c, pure: the images that a Dockerfile begins from or copies from, arguments with
 * a default replaced, earlier stages and "scratch" left out. resolved false: an argument has no
 * default.
 */
typedef int build_from_fn(void *arg, const char *image, bool resolved, unsigned line,
                          struct bl_err *err);
BL_MUST int build_each_from(const char *bytes, size_t len, build_from_fn *each, void *arg,
                            struct bl_err *err);
/* Whether all of them, and at least one, are in a registry on loopback. */
BL_MUST int build_all_loopback(const char *bytes, size_t len, bool *out, struct bl_err *err);
/* A line per image that is not pinned. */
BL_MUST int build_warn_tags(const char *bytes, size_t len, const char *file, struct bl_buf *warn,
                            struct bl_err *err);

/* image_build_names.c, pure: what a file of requirements names in the tree. */
enum build_named {
	BUILD_NAMED_FILE,     /* -r, -c: looked into; relative to the file that names it */
	BUILD_NAMED_LOCAL,    /* a wheel, an archive, a project; relative to the first file */
	BUILD_NAMED_LINKS,    /* --find-links; relative to the file that names it */
	BUILD_NAMED_POSSIBLY, /* of a lock file: what is not there is the builder's to say */
};
typedef int build_named_fn(void *arg, enum build_named kind, const char *path, unsigned line,
                           struct bl_err *err);
BL_MUST int build_each_name(const char *bytes, size_t len, build_named_fn *each, void *arg,
                            struct bl_err *err);
BL_MUST int build_each_name_of_lock(const char *bytes, size_t len, build_named_fn *each, void *arg,
                                    struct bl_err *err);
/* dir/path without ".", ".." and "//": false where it leaves the root or is too long. Pure. */
bool build_join(const char *dir, const char *path, char out[BUILD_PATH_SIZE]);
/* The directory of a path: "" of a name alone. */
void build_dir_of(const char *path, char out[BUILD_PATH_SIZE]);

/* How a requirements file is installed, by its name. */
enum build_format { BUILD_PIP, BUILD_PYLOCK, BUILD_UV };
BL_MUST int build_format_of(const char *requirements, enum build_format *out, struct bl_err *err);

/* image_build_inputs.c: everything that a base is made from. */
struct build_entry {
	size_t at; /* of its path, in paths */
	enum bl_git_kind kind;
	char id[41];
	bool wanted, to_parse, parsed;
};
struct build_inputs {
	struct bl_buf paths;         /* of the commit, from the root, each ended by a NUL */
	struct build_entry *entries; /* files, links and submodules, sorted by path */
	size_t n, room;
	char context[BUILD_PATH_SIZE]; /* "" the root: what wanted entries lie below */
	struct bl_buf dockerfile;      /* its bytes, the commit's or ours */
	bool has_ignore;
};
#define BUILD_INPUTS                                                                               \
	((struct build_inputs){ .paths = BL_BUF((size_t)1 << 30),                                  \
	                        .dockerfile = BL_BUF(BUILD_FILE_MAX) })
void build_inputs_done(struct build_inputs *inputs);
BL_MUST int build_inputs_read(const struct bl_build *build, struct build_inputs *out,
                              struct bl_err *err);
const char *build_path(const struct build_inputs *inputs, const struct build_entry *entry);
/* In the context. */
const char *build_context_path(const struct build_inputs *inputs, const struct build_entry *entry);
/* NULL: there is none. */
struct build_entry *build_find_entry(const struct build_inputs *inputs, const char *path);
/* image_build_require.c: marks what image.requirements names. */
BL_MUST int build_want_named(const struct bl_build *build, struct build_inputs *inputs,
                             struct bl_err *err);
/* "not in the commit", and the nearest name. Returns -1. */
int build_not_there(const struct build_inputs *inputs, const char *what, const char *path,
                    struct bl_err *err);
/* Appends the bytes of a file. */
BL_MUST int build_read_entry(const struct bl_build *build, const struct build_inputs *inputs,
                             const struct build_entry *entry, struct bl_buf *out,
                             struct bl_err *err);

/*
 * image_build_login.c: the logins of all registries that images and the cache are in, as a
 * containers-auth.json in `work`, when one of them is ECR; else path is "": the user's own do.
 * cache_ref NULL: none.
 */
BL_MUST int build_write_logins(const struct bl_build *build, const struct build_inputs *inputs,
                               const char *cache_ref, const char *work, char path[4096],
                               struct bl_err *err);

/* image_build_context.c: the wanted entries below dir, links as links, all times alike. */
BL_MUST int build_write_context(const struct bl_build *build, const struct build_inputs *inputs,
                                int dir, struct bl_err *err);

/* image_build_child.c: a program, its output kept and passed on. */
struct build_child {
	const char *program;
	const char *const *args;    /* NULL-ended */
	const char *const *set_env; /* "NAME=VALUE", NULL-ended; NULL: none */
	atomic_bool *stop;          /* NULL: none */
	int deadline_ms;            /* 0: none */
	bool show;                  /* to our stderr as well; else its own stderr is dropped */
};
/* said: the last of its output, at most its limit. status: as of waitpid(). */
BL_MUST int build_child_run(const struct build_child *how, struct bl_buf *said, int *status,
                            struct bl_err *err);

/* image_build_judge.c, pure: what a failed builder's last lines say. Returns -1. */
int build_failed(const char *said, int status, struct bl_err *err);
/* BL_ENOSPC: so little room that nothing can come of it. Else warn gets what to say, or nothing. */
BL_MUST int build_judge_room(uint64_t free_bytes, const char *where, bool on_github,
                             struct bl_buf *warn, struct bl_err *err);

/* image_build_find.c: where the builder keeps its layers; "" when it does not say. */
BL_MUST int build_storage_dir(enum bl_builder builder, const char *program, atomic_bool *stop,
                              char path[4096], struct bl_err *err);
/* buildx's instance in use, when it can write an OCI layout; else "". */
BL_MUST int build_instance(const char *docker, atomic_bool *stop, char name[128],
                           struct bl_err *err);

#endif
