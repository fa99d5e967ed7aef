/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_OPTIONS_H
#define BL_ACTIONS_OPTIONS_H

#include "run/config.h"

/*
 * The options of a verb, from a table; the help comes from the same table. A verb:
 *
 *   struct options { const char *baseline; bool json; };
 *   static const struct bl_option table[] = {
 *           { "baseline", 0, BL_OPT_TEXT, offsetof(struct options, baseline), "RUN",
 *             "compare with this run" },
 *           BL_OPT_JSON(struct options),
 *   };
 *   static const struct bl_usage usage = {
 *           .verb = "report", .example = "branchline report latest", .about = "...",
 *           .options = table, .n_options = BL_COUNT(table), .words = "[RUN]", .words_max = 1,
 *   };
 *   struct options opt = { 0 };
 *   BL_AUTO(bl_args) args = { 0 };
 *
 *   if (bl_options_read(&usage, argc, argv, &opt, &args, err) || args.helped)
 *           return err->code ? -1 : 0;
 */
enum bl_option_type {
	BL_OPT_TEXT,     /* const char *: the argument itself */
	BL_OPT_SWITCH,   /* bool; --no-NAME is false */
	BL_OPT_NUMBER,   /* int64_t from 0 */
	BL_OPT_DURATION, /* int64_t, milliseconds */
	BL_OPT_EACH,     /* struct bl_each: every use, in the order of the command line */
};

/* Options that may be given again and again share one. */
#define BL_EACH_MAX 64
struct bl_each {
	const char *flags[BL_EACH_MAX], *texts[BL_EACH_MAX];
	size_t n;
};

struct bl_option {
	const char *flag; /* without dashes */
	char letter;      /* -f; 0: none */
	enum bl_option_type type;
	size_t offset; /* in the verb's struct */
	const char *metavar, *help;
};

#define BL_OPT_JSON(type)                                                                          \
	{                                                                                          \
		"json", 0, BL_OPT_SWITCH, offsetof(type, json), NULL, "print JSON"                 \
	}

struct bl_usage {
	const char *verb;
	const char *example; /* whole command lines, one a line: the help begins with them */
	const char *about;   /* what it does, for people */
	const struct bl_option *options;
	size_t n_options;
	const char *words; /* as shown: "[RUN]", "A B"; NULL: none */
	size_t words_min, words_max;
	bool config;    /* every configuration key is a flag, --param and --data too */
	bool rest;      /* "-- COMMAND..." replaces the command */
	bool no_inputs; /* others call it, in steps whose INPUT_* are not for it */
	void (*more)(struct bl_buf *out); /* appends to the help; NULL: nothing */
};

#define BL_ARGS_WORDS 16
#define BL_ARGS_FLAGS 256

/* What was read beside the table's own. Points into argv and into itself: do not copy it. */
struct bl_args {
	bool helped; /* the help was printed to stdout: the verb is done */
	size_t n_words, n_flags;
	const char *words[BL_ARGS_WORDS];
	struct bl_config_flag flags[BL_ARGS_FLAGS];
	char names[BL_ARGS_FLAGS][BL_CONFIG_NAME];
	struct bl_buf command; /* the arguments after "--" as a JSON list */
};
void bl_args_done(struct bl_args *args);

/*
 * argv[0] is the verb. `into` is the verb's struct, set beforehand to its defaults. An action's
 * input INPUT_A_B is the option a-b, unless it is empty; a flag wins over it.
 * BL_EINPUT: unknown flag (the nearest is named), a value missing or wrong, too many or too few
 * words.
 */
BL_MUST int bl_options_read(const struct bl_usage *usage, int argc, char **argv, void *into,
                            struct bl_args *args, struct bl_err *err);

/* The help, as --help prints it. */
void bl_options_help(const struct bl_usage *usage, struct bl_buf *out);

/*
 * Finds and resolves the configuration for a verb that takes its flags.
 *
 *   path  file that the user named, or NULL: branchline.yaml here or in a directory above,
 *         up to the root of the repository; none is fine then
 *   job   NULL: the default
 *   root  out: absolute directory of the file, or the current one without
 */
struct bl_found {
	char path[4096 + 32]; /* of the file; "" without */
	char root[4096];
};
BL_MUST int bl_options_config(const char *path, const char *job, const struct bl_args *args,
                              const struct bl_value *ceilings, struct bl_config *out,
                              struct bl_found *found, struct bl_err *err);

/*
 * The same from branchline.yaml as it is in a commit, wherever the work tree is: the file at the
 * repository's root, or `path` from there. root: any folder of the repository. found->root is left
 * alone; found->path is "SHA:branchline.yaml".
 */
BL_MUST int bl_options_config_at(const char *root, const char *sha, const char *path,
                                 const char *job, const struct bl_args *args,
                                 const struct bl_value *ceilings, struct bl_config *out,
                                 struct bl_found *found, struct bl_err *err);

#endif
