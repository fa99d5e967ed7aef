/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/held.h"

#include "actions/identity.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "codec/hash.h"
#include "codec/json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define FILE_MAX ((size_t)64 << 10)
#define LOCK_WAIT_MS 120000 /* longer than anybody asks for credentials */
#define LOCK_STEP_MS 10
#define RETRY_MS ((int64_t)60000)
#define SKEW_MS ((int64_t)60000)

/* Where: a name in an open directory. */
struct place_of {
	int dir;
	const char *path; /* for messages */
	char name[NAME_MAX - 8];
};

void held_done(struct held *held)
{
	bl_credentials_done(&held->creds);
	memset(held, 0, sizeof(*held));
}

enum held_due held_due(const struct held *held, int64_t wall_ms)
{
	int64_t expires = held->creds.expires_wall_ms, left = expires - wall_ms;
	struct bl_refresh refresh = bl_refresh_of(expires - held->issued_wall_ms);

	/* from the future: the clock was set back, and nothing that it says counts */
	if (!held->creds.access_key[0] || held->issued_wall_ms > wall_ms + SKEW_MS || left <= 0)
		return HELD_MUST;
	if (left > refresh.advisory_ms || wall_ms < held->next_try_wall_ms)
		return HELD_SERVE;
	return HELD_RENEW;
}

/* --- For whom --------------------------------------------------------------------------------- */

static int add_text(struct bl_sha256 *sha, const char *text, struct bl_err *err)
{
	/* the NUL keeps "a" + "bc" apart from "ab" + "c" */
	return text ? bl_sha256_add(sha, text, strlen(text) + 1, err)
	            : bl_sha256_add(sha, "\0none", 6, err);
}

static int add_all(struct bl_sha256 *sha, const struct bl_creds_options *options,
                   struct bl_err *err)
{
	static const char *const job[] = { "GITHUB_SERVER_URL", "GITHUB_REPOSITORY",
		                           "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB" };
	const char *const own[] = { options->profile,        options->region,
		                    options->role_arn,       options->session_name,
		                    options->session_policy, options->audience };
	char seconds[16];

	for (size_t i = 0; i < BL_COUNT(job); i++)
		if (add_text(sha, getenv(job[i]), err))
			return -1;
	for (size_t i = 0; i < BL_COUNT(own); i++)
		if (add_text(sha, own[i], err))
			return -1;
	snprintf(seconds, sizeof(seconds), "%u", options->duration_s);
	return add_text(sha, seconds, err);
}

int held_binding(const struct bl_creds_options *options, char hex[65], struct bl_err *err)
{
	struct bl_sha256 *sha;
	int rc;

	if (bl_sha256_new(&sha, err))
		return -1;
	rc = add_all(sha, options, err) || bl_sha256_hex(sha, hex, err) ? -1 : 0;
	bl_sha256_free(sha);
	return rc;
}

/* --- The file --------------------------------------------------------------------------------- */

static int of_file(const char *path, struct bl_err *err)
{
	return bl_wrap(err, "cache '%.200s'", path);
}

static int open_place(const char *path, struct place_of *at, struct bl_err *err)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char dir[4096];

	if (!*name || strlen(name) >= sizeof(at->name) || strlen(path) >= sizeof(dir))
		return bl_fail(err, BL_EINPUT, "cache: no file's name, or one that is too long");
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	snprintf(at->name, sizeof(at->name), "%s", name);
	at->path = path;
	return bl_fs_open_dir(dir, &at->dir, err) ? of_file(path, err) : 0;
}

static int refuse(const char *what, struct bl_err *err)
{
	bl_fail(err, BL_EDENIED, "%s", what);
	return bl_next(err, "remove it, or name another file");
}

/* Another user who may write or read it has the role. */
static int check_file(int fd, struct bl_err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return bl_fail_errno(err, errno, "fstat");
	if (!S_ISREG(st.st_mode))
		return refuse("no regular file", err);
	if (st.st_uid != geteuid())
		return refuse("it belongs to another user", err);
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return refuse("others may read or write it (its mode must be 0600)", err);
	return 0;
}

static int open_checked(const struct place_of *at, const char *name, int flags, int *out,
                        struct bl_err *err)
{
	BL_FD fd = openat(at->dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0 && errno == ELOOP)
		return refuse("it is a link", err);
	if (fd < 0)
		return bl_fail_errno(err, errno, "open");
	if (check_file(fd, err))
		return -1;
	*out = bl_fd_take(&fd);
	return 0;
}

/* A file that nobody of ours wrote whole holds nothing. */
static int parse(const struct bl_buf *bytes, const char *binding, struct held *held,
                 struct bl_err *err)
{
	BL_VALUE document = NULL;
	const char *key, *secret, *token;

	if (bl_json_document(bl_buf_text(bytes), bytes->len, "cache", 1, &document, err)) {
		if (err->code != BL_ENOMEM)
			bl_err_clear(err);
		return err->code ? -1 : 0;
	}
	key = bl_value_text_or(document, "access_key", "");
	secret = bl_value_text_or(document, "secret", "");
	token = bl_value_text_or(document, "token", "");
	if (strcmp(bl_value_text_or(document, "binding", ""), binding) != 0 || !*key || !*secret ||
	    strlen(key) >= sizeof(held->creds.access_key))
		return 0;
	if (bl_secret_set(&held->creds.secret, secret, strlen(secret), err) ||
	    bl_secret_set(&held->creds.token, token, strlen(token), err))
		return -1;
	bl_wipe(bl_value_get(document, "secret")->text, strlen(secret));
	snprintf(held->creds.access_key, sizeof(held->creds.access_key), "%s", key);
	snprintf(held->creds.account, sizeof(held->creds.account), "%s",
	         bl_value_text_or(document, "account", ""));
	snprintf(held->creds.source, sizeof(held->creds.source), "%s",
	         bl_value_text_or(document, "source", "cache"));
	held->creds.expires_wall_ms = bl_value_int_or(document, "expires_wall_ms", 0);
	held->issued_wall_ms = bl_value_int_or(document, "issued_wall_ms", 0);
	held->next_try_wall_ms = bl_value_int_or(document, "next_try_wall_ms", 0);
	return 0;
}

static int read_fd(int fd, struct bl_buf *bytes, struct bl_err *err)
{
	ssize_t n;

	do {
		char *room = bl_buf_room(bytes, 4096);

		if (!room)
			return bl_buf_check(bytes, "cache", err);
		n = read(fd, room, 4096);
		if (n < 0 && errno != EINTR)
			return bl_fail_errno(err, errno, "read");
		if (n > 0)
			bl_buf_grew(bytes, (size_t)n);
	} while (n);
	return 0;
}

static int read_held(const struct place_of *at, const char *binding, struct held *held,
                     struct bl_err *err)
{
	BL_SECRET_BUF bytes = BL_BUF(FILE_MAX);
	BL_FD fd = -1;

	held_done(held);
	if (open_checked(at, at->name, O_RDONLY, &fd, err)) {
		if (err->code != BL_ENOENT)
			return of_file(at->path, err);
		bl_err_clear(err);
		return 0;
	}
	if (read_fd(fd, &bytes, err) && err->code == BL_ELIMIT) {
		bl_err_clear(err); /* not written by us */
		return 0;
	}
	if (err->code || parse(&bytes, binding, held, err))
		return of_file(at->path, err);
	return 0;
}

static int write_held(const struct place_of *at, const char *binding, const struct held *held,
                      struct bl_err *err)
{
	BL_SECRET_BUF text = BL_BUF(FILE_MAX);
	struct bl_json json = BL_JSON(&text);

	bl_json_begin(&json, 1);
	bl_json_text(&json, "binding", binding);
	bl_json_text(&json, "access_key", held->creds.access_key);
	bl_json_text(&json, "secret", bl_secret_text(&held->creds.secret));
	bl_json_text(&json, "token", bl_secret_text(&held->creds.token));
	bl_json_text(&json, "account", held->creds.account);
	bl_json_text(&json, "source", held->creds.source);
	bl_json_int(&json, "issued_wall_ms", held->issued_wall_ms);
	bl_json_int(&json, "expires_wall_ms", held->creds.expires_wall_ms);
	bl_json_int(&json, "next_try_wall_ms", held->next_try_wall_ms);
	bl_json_end_map(&json);
	bl_buf_addc(&text, '\n');
	if (bl_buf_check(&text, "cache", err))
		return -1;
	if (bl_fs_replace(at->dir, at->name, bl_buf_text(&text), text.len, 0600, err))
		return of_file(at->path, err);
	return 0;
}

/* --- One asks --------------------------------------------------------------------------------- */

static int lock(const struct place_of *at, int *out, struct bl_err *err)
{
	int64_t deadline = bl_mono_ms() + LOCK_WAIT_MS;
	char name[NAME_MAX];
	BL_FD fd = -1;

	snprintf(name, sizeof(name), "%s.lock", at->name);
	if (open_checked(at, name, O_RDWR | O_CREAT, &fd, err))
		return bl_wrap(err, "lock '%.200s.lock'", at->path);
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return bl_fail_errno(err, errno, "lock '%.200s'", at->path);
		if (bl_mono_ms() > deadline)
			return bl_fail(err, BL_ETIMEOUT, "cache '%.200s': locked for %d s",
			               at->path, LOCK_WAIT_MS / 1000);
		poll(NULL, 0, LOCK_STEP_MS);
	}
	*out = bl_fd_take(&fd);
	return 0;
}

static int renew(const struct bl_creds_options *options, struct held *held, bool must,
                 struct bl_err *err)
{
	int64_t life = held->creds.expires_wall_ms - held->issued_wall_ms;
	int64_t pause = bl_refresh_of(life).advisory_ms / 4, now = bl_wall_ms();

	if (!identity_ask(options, &held->creds, err)) {
		held->issued_wall_ms = bl_wall_ms();
		held->next_try_wall_ms = 0;
		return 0;
	}
	if (must || held->creds.expires_wall_ms <= bl_wall_ms())
		return -1;
	bl_log(BL_LOG_DEBUG, "the credentials at hand serve on: %s", err->text);
	bl_err_clear(err);
	held->next_try_wall_ms = now + (pause < RETRY_MS ? pause : RETRY_MS);
	return 0;
}

static int get(const struct place_of *at, const struct bl_creds_options *options, struct held *held,
               struct bl_err *err)
{
	char binding[BL_SHA256_HEX];
	enum held_due due;
	BL_FD locked = -1;

	if (held_binding(options, binding, err) || read_held(at, binding, held, err))
		return -1;
	if (held_due(held, bl_wall_ms()) == HELD_SERVE)
		return 0;
	if (lock(at, &locked, err) || read_held(at, binding, held, err))
		return -1;
	due = held_due(held, bl_wall_ms()); /* whoever had the lock may have asked */
	if (due == HELD_SERVE)
		return 0;
	if (renew(options, held, due == HELD_MUST, err))
		return -1;
	/* keys without an end are the user's own: no copy of them is made */
	return held->creds.expires_wall_ms ? write_held(at, binding, held, err) : 0;
}

int held_get(const char *path, const struct bl_creds_options *options, struct bl_credentials *out,
             struct bl_err *err)
{
	BL_AUTO(held) held = { 0 };
	struct place_of at = { .dir = -1 };
	int rc;

	rc = open_place(path, &at, err) || get(&at, options, &held, err);
	bl_fd_done(&at.dir);
	if (rc)
		return -1;
	bl_credentials_done(out);
	*out = held.creds;
	held.creds = (struct bl_credentials){ 0 };
	return 0;
}
