/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_CONFIG_H
#define BL_RUN_CONFIG_H

#include "codec/hash.h"
#include "codec/value.h"

/*
 * branchline.yaml, flags, action inputs and the environment, resolved to one tree
 * (design 4.6). One table makes the parser, the flags, the help and docs/configuration.md.
 */
enum bl_config_type {
	BL_CONFIG_VERSION,
	BL_CONFIG_TEXT,
	BL_CONFIG_PATH, /* relative to branchline.yaml, never above it */
	BL_CONFIG_BOOL,
	BL_CONFIG_INT,
	BL_CONFIG_REAL,
	BL_CONFIG_DURATION,   /* min, max in ms; canonical text as "6h" */
	BL_CONFIG_SIZE,       /* min, max in bytes; canonical text as "2GiB" */
	BL_CONFIG_WORD,       /* one of words */
	BL_CONFIG_SWITCH,     /* "none" in the place of a section */
	BL_CONFIG_COMMAND,    /* list of text, or text for a shell */
	BL_CONFIG_TEXTS,      /* list of text */
	BL_CONFIG_WORDS,      /* list of words */
	BL_CONFIG_CONDITIONS, /* list of "NAME < NUMBER" */
	BL_CONFIG_SCALARS,    /* map of text, numbers, booleans */
	BL_CONFIG_ENV,        /* map of environment names to text */
	BL_CONFIG_SECRETS,    /* map of environment names to secret[#json_key] */
	BL_CONFIG_GOALS,      /* map of metric names to words */
	BL_CONFIG_NOISE,      /* map of metric names to a number or "2%" */
	BL_CONFIG_PATTERNS,   /* map of metric names to patterns */
	BL_CONFIG_CHANNELS,   /* map of channel names to {uri, format, include, version, local} */
	BL_CONFIG_JOBS,
};

enum {
	BL_CONFIG_FILE_ONLY = 1, /* no flag, input or variable */
	BL_CONFIG_RESULT = 2,    /* changes what a run computes: an override bars a baseline */
};

struct bl_config_key {
	const char *name; /* dotted snake_case, "checkpoints.keep_best" */
	enum bl_config_type type;
	const char *fallback; /* the default as one would write it; NULL: none */
	const char *words;    /* "spot|on-demand", or NULL */
	double min, max;      /* both 0: unlimited */
	unsigned traits;
	const char *help;  /* one line; names what the key excludes */
	const char *group; /* heading in the documentation; NULL: the one before */
};

/* The whole table, in the order of the documentation. */
extern const struct bl_config_key bl_config_table[];
extern const size_t bl_config_table_n;

const struct bl_config_key *bl_config_find(const char *name); /* NULL: unknown */
bool bl_config_is_map(enum bl_config_type type);
bool bl_config_is_list(enum bl_config_type type);
/* "checkpoints-keep-best", also "param" for hyperparameters. NULL: no such flag. */
const struct bl_config_key *bl_config_find_flag(const char *flag);

#define BL_CONFIG_NAME 64
/* checkpoints.keep_best -> checkpoints-keep-best; and PREFIX_CHECKPOINTS_KEEP_BEST. */
void bl_config_flag_name(const struct bl_config_key *key, char out[BL_CONFIG_NAME]);
void bl_config_variable_name(const struct bl_config_key *key, const char *prefix,
                             char out[BL_CONFIG_NAME]);

/* One line for people: "a duration from 1s to 30d", "spot, on-demand or spot-then-on-demand". */
void bl_config_allowed(const struct bl_config_key *key, struct bl_buf *out);

#define BL_CONFIG_FILE "branchline.yaml"
#define BL_CONFIG_FILE_MAX (1u << 20)
#define BL_CONFIG_JOB_SIZE 65

/*
 * One flag as it was given, without dashes: {"max-runtime", "2h"}. The name "--" stands for
 * the arguments after "--", its value is a JSON list: they are the command.
 */
struct bl_config_flag {
	const char *name, *value;
};

/*
 *   bytes, len  the file; bytes NULL: there is none, defaults and flags only
 *   file        its name for messages
 *   job         NULL: default_job, or the only one
 *   flags       n_flags, in order; later ones win, lists and maps gather
 *   environ     as environ(7), NULL: none
 *   cwd         what a relative path of --data starts from; NULL: kept relative
 *   ceilings    of the stack (design 4.7), a map of max_cost_usd, max_runtime,
 *               instance_types, secrets, live; NULL: none
 */
struct bl_config_input {
	const char *bytes;
	size_t len;
	const char *file;
	const char *job;
	const struct bl_config_flag *flags;
	size_t n_flags;
	const char *const *environ;
	const char *cwd;
	const struct bl_value *ceilings;
};

/*
 *   tree       every key of the table, nested, in canonical form; null where a key has no
 *              value and no default; `checkpoints` is the text "none" when switched off
 *   origins    map of dotted key -> "flag --x", "INPUT_X", "environment X",
 *              "branchline.yaml:12", "default" or "stack's ceiling"; members of maps singly
 *   overrides  list of dotted keys whose value a flag, an input or the environment changed from
 *              what the file says, of those that change what a run computes
 *   job        name of the job, "default" without jobs
 *   digest     SHA-256 of the tree as compact JSON with sorted keys
 */
struct bl_config {
	struct bl_value *tree, *origins, *overrides;
	char job[BL_CONFIG_JOB_SIZE];
	char digest[BL_SHA256_HEX];
};
void bl_config_done(struct bl_config *config);

/*
 * Flag > INPUT_* (empty: unset) > BRANCHLINE_* > job > file > default; maps merge, lists
 * replace. BL_EINPUT with one line: where (file:line:column, or the flag), the key, what is
 * allowed, the nearest known key. No job that is not asked for goes unchecked.
 */
BL_MUST int bl_config_resolve(const struct bl_config_input *input, struct bl_config *out,
                              struct bl_err *err);

/* From a tree that was stored (run.json): checked, unknown keys ignored, missing ones default.
 * BL_ECORRUPT. origins and overrides are empty, job is "". */
BL_MUST int bl_config_from_tree(const struct bl_value *tree, struct bl_config *out,
                                struct bl_err *err);

/* The names of the file's jobs, in its order, as a list of text; empty without jobs. */
BL_MUST int bl_config_jobs(const struct bl_config_input *input, struct bl_value **out,
                           struct bl_err *err);

/*
 * The values, by a name of the table; any other name is our own bug and aborts. Text is NULL
 * when it has no value; numbers without one are `bl_config_has() == false` and read as 0. With
 * `checkpoints: none` its keys read as their defaults: ask bl_config_checkpoints() first.
 */
bool bl_config_has(const struct bl_config *config, const char *name);
const char *bl_config_text(const struct bl_config *config, const char *name);
int64_t bl_config_int(const struct bl_config *config, const char *name);
double bl_config_real(const struct bl_config *config, const char *name);
bool bl_config_bool(const struct bl_config *config, const char *name);
int64_t bl_config_duration_ms(const struct bl_config *config, const char *name);
uint64_t bl_config_bytes(const struct bl_config *config, const char *name);
bool bl_config_lists(const struct bl_config *config, const char *name, const char *word);
const struct bl_value *bl_config_value(const struct bl_config *config, const char *name);
bool bl_config_checkpoints(const struct bl_config *config);
const char *bl_config_origin(const struct bl_config *config, const char *name);

/* One data channel. Text stays the config's; what was not given is NULL. */
struct bl_channel {
	const char *name, *uri;
	const char *local;  /* path that `branchline local` uses in the place of uri; relative
	                       to branchline.yaml */
	const char *format; /* auto jsonl parquet tar files */
	const char *version;
	const struct bl_value *include; /* list of globs, maybe empty */
};
size_t bl_config_channels(const struct bl_config *config);
void bl_config_channel(const struct bl_config *config, size_t i, struct bl_channel *out);

/* The documentation, Markdown; and the keys as flags for `config --help`. */
void bl_config_docs(struct bl_buf *out);
void bl_config_help(struct bl_buf *out);

#endif
