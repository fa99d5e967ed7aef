/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_CREDS_PARTS_H
#define BL_AWS_CREDS_PARTS_H

#include "aws/creds.h"
#include "aws/fetch.h"
#include "aws/sts.h"

/* The insides of creds.h: who may give credentials, and how each is asked. */

struct creds_source {
	const char *name; /* as in "no credentials: tried NAME, ..." */
	/* Whether something points there; what then fails is a failure, not the next one's turn. */
	bool (*named)(const struct bl_creds *creds);
	int (*fetch)(struct bl_creds *creds, struct bl_credentials *out, struct bl_err *err);
	/* Its keys serve past their end while it cannot give others: AWS's "static stability". */
	bool outlives;
};

struct creds_imds {
	bool absent; /* nobody answered: not asked again */
	struct bl_secret token;
	int64_t token_until_mono_ms;
};

struct bl_creds {
	char *profile_option, *role_option, *session_name, *policy, *audience, *region_option;
	unsigned duration_s;
	bool allow_http;
	struct bl_profiles *profiles;
	struct bl_aws
		*sts; /* anonymous; opened when first needed, and its HTTP serves all sources */
	const struct creds_source *source; /* that gave some; kept */
	struct creds_imds imds;
	struct bl_err refused; /* STS's answer to options that stay as they are: a duration */

	struct bl_credentials now;
	bool have, fixed, stale;
	int64_t life_ms;          /* of `now` when they came; 0: for ever */
	int64_t next_try_mono_ms; /* after a failure that the old ones outlive */
};

/* In AWS's order. */
extern const struct creds_source creds_sources[];
extern const size_t creds_sources_n;

int creds_fetch_first(struct bl_creds *creds, struct bl_credentials *out, struct bl_err *err);

const char *creds_env(const char *name); /* NULL: unset or empty */
const char *creds_profile(const struct bl_creds *creds);
const char *creds_role(const struct bl_creds *creds); /* NULL: none is named */
int creds_sts(struct bl_creds *creds, struct bl_aws **out, struct bl_err *err);
int creds_http(struct bl_creds *creds, struct bl_http **out, struct bl_err *err);
/* AWS_ROLE_SESSION_NAME, else of the run or job. */
void creds_session_name(const struct bl_creds *creds, char name[BL_STS_NAME_MAX + 1]);

/* Fills *out from texts; token NULL or "": none; expiry NULL or "": never. */
struct creds_texts {
	const char *access_key, *secret, *token, *expiry, *account;
};
int creds_from_texts(const struct creds_texts *texts, struct bl_credentials *out,
                     struct bl_err *err);
/* A JSON document of keys and names; what: for messages. Wipes what it parsed. */
int creds_from_json(const char *bytes, size_t len, const char *what, struct bl_credentials *out,
                    struct bl_err *err);
void creds_label(struct bl_credentials *creds, const char *fmt, ...) BL_PRINTF(2);

/* One file each. */
int creds_fetch_environment(struct bl_creds *creds, struct bl_credentials *out, struct bl_err *err);
int creds_fetch_github(struct bl_creds *creds, struct bl_credentials *out, struct bl_err *err);
int creds_fetch_container(struct bl_creds *creds, struct bl_credentials *out, struct bl_err *err);
int creds_fetch_imds(struct bl_creds *creds, struct bl_credentials *out, struct bl_err *err);
/* Keys that have run out get some minutes more. */
void creds_outlive(struct bl_credentials *creds);

/* Assumes a role with the token in a file, which is read anew each time. */
struct creds_web {
	const char *role_arn, *token_file, *session_name; /* NULL: creds_session_name() */
	unsigned duration_s;
};
int creds_fetch_web(struct bl_creds *creds, const struct creds_web *web, struct bl_credentials *out,
                    struct bl_err *err);

/* What one profile names, each by itself; `profile` may be another than ours (source_profile). */
bool creds_names_role(const struct bl_creds *creds, const char *profile);
bool creds_names_sso(const struct bl_creds *creds, const char *profile);
int creds_profile_role(struct bl_creds *creds, const char *profile, struct bl_credentials *out,
                       struct bl_err *err);
int creds_profile_sso(struct bl_creds *creds, const char *profile, struct bl_credentials *out,
                      struct bl_err *err);
int creds_profile_process(struct bl_creds *creds, const char *profile, struct bl_credentials *out,
                          struct bl_err *err);
enum creds_file { CREDS_SHARED, CREDS_CONFIG };
bool creds_names_keys(const struct bl_creds *creds, const char *profile, enum creds_file file);
int creds_profile_keys(const struct bl_creds *creds, const char *profile, enum creds_file file,
                       struct bl_credentials *out, struct bl_err *err);
/* Duration of a profile's role: 0 unset. */
int creds_profile_duration(const struct bl_creds *creds, const char *profile, unsigned *seconds,
                           struct bl_err *err);

/*
 * A command line as POSIX shells split it, without variables, globs or operators: AWS's rule for
 * credential_process. words: NULL-terminated, all in one allocation that the caller frees.
 */
int creds_split(const char *line, char ***words, struct bl_err *err);

/* Pure: what a get has to do. */
enum creds_due { CREDS_KEEP, CREDS_TRY, CREDS_MUST };
enum creds_due creds_due(const struct bl_creds *creds, int64_t wall_ms, int64_t mono_ms);

#endif
