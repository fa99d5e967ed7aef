/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_login_parts.h"

#include "aws/ecr.h"
#include "base/clock.h"
#include "base/env.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT_MAX 8
#define BEFORE_EXPIRY_MS ((int64_t)5 * 60 * 1000)

struct kept {
	char registry[256]; /* "": none */
	struct bl_login login;
	int64_t renew_wall_ms; /* 0: only when it is refused */
};

struct bl_logins {
	struct bl_logins_options options;
	pthread_mutex_t lock;
	struct bl_aws *aws; /* NULL: not needed so far */
	struct kept kept[KEPT_MAX];
	size_t n_kept; /* ever: the oldest makes room */
};

int bl_logins_open(const struct bl_logins_options *options, struct bl_logins **out,
                   struct bl_err *err)
{
	struct bl_logins *logins = calloc(1, sizeof(*logins));

	if (!logins)
		return bl_fail(err, BL_ENOMEM, "logins: out of memory");
	if (pthread_mutex_init(&logins->lock, NULL)) {
		free(logins);
		return bl_fail(err, BL_ENOMEM, "logins: no lock");
	}
	if (options)
		logins->options = *options;
	*out = logins;
	return 0;
}

void bl_logins_close(struct bl_logins *logins)
{
	if (!logins)
		return;
	bl_aws_close(logins->aws);
	for (size_t i = 0; i < KEPT_MAX; i++)
		bl_login_done(&logins->kept[i].login);
	pthread_mutex_destroy(&logins->lock);
	bl_wipe(logins, sizeof(*logins));
	free(logins);
}

/* --- Files ------------------------------------------------------------------------------------ */

/* The i-th place to look; "" where it does not exist. False: no more. */
static bool place(size_t i, char *path, size_t size)
{
	static const struct {
		const char *name, *tail;
	} places[] = {
		{ "REGISTRY_AUTH_FILE", "" },
		{ "DOCKER_CONFIG", "/config.json" },
		{ "XDG_RUNTIME_DIR", "/containers/auth.json" },
		{ "XDG_CONFIG_HOME", "/containers/auth.json" },
		{ "HOME", "/.config/containers/auth.json" },
		{ "HOME", "/.docker/config.json" },
	};
	const char *value;

	if (i >= BL_COUNT(places))
		return false;
	value = bl_env_or_null(places[i].name);
	*path = '\0';
	if (value)
		snprintf(path, size, "%s%s", value, places[i].tail);
	else if (!strcmp(places[i].name, "XDG_RUNTIME_DIR"))
		snprintf(path, size, "/run/containers/%u/auth.json", (unsigned)getuid());
	/* HOME=/dev/null and the like lead nowhere */
	if (*path && access(path, F_OK) && (errno == ENOENT || errno == ENOTDIR))
		*path = '\0';
	return true;
}

/* The names under which a registry may be found in a file: by the paths asked for, then itself. */
static const char *name_of(const struct bl_logins *logins, const char *registry, size_t i)
{
	size_t len = strlen(registry);

	for (size_t n = 0; n < logins->options.n_names; n++) {
		const char *name = logins->options.names[n];

		if (strncmp(name, registry, len) != 0 || name[len] != '/')
			continue;
		if (!i--)
			return name;
	}
	return i ? NULL : registry;
}

static int ask_helper(const char *helper, const char *registry, struct bl_login *out, bool *found,
                      struct bl_err *err)
{
	bool is_hub = !strcmp(registry, LOGIN_HUB);

	if (is_hub && login_ask_helper(helper, LOGIN_HUB_OLD, LOGIN_HELPER_MS, out, found, err))
		return -1;
	if (is_hub && *found)
		return 0;
	return login_ask_helper(helper, registry, LOGIN_HELPER_MS, out, found, err);
}

static int look_in(const struct bl_logins *logins, const struct bl_buf *text, const char *file,
                   const char *registry, struct bl_login *out, bool *found, struct bl_err *err)
{
	char helper[128] = "";
	const char *name;

	for (size_t i = 0; !*found && (name = name_of(logins, registry, i)); i++)
		if (bl_login_of_config(bl_buf_text(text), text->len, file, name, out, helper, found,
		                       err))
			return -1;
	if (!*helper)
		return 0;
	if (ask_helper(helper, registry, out, found, err))
		return bl_wrap(err, "%s", file);
	return 0;
}

static bool is_blank(const struct bl_buf *text)
{
	const char *at = bl_buf_text(text);

	return strspn(at, " \t\r\n") == text->len;
}

static int look_in_file(const struct bl_logins *logins, const char *path, const char *registry,
                        struct bl_login *out, bool *found, struct bl_err *err)
{
	BL_SECRET_BUF text = BL_BUF(LOGIN_FILE_MAX);

	if (!*path || !strcmp(path, "/dev/null"))
		return 0;
	if (bl_fs_read_path(path, &text, err)) {
		bl_wrap(err, "logins of registries");
		return bl_next(err, "make it readable, or name another by REGISTRY_AUTH_FILE");
	}
	return is_blank(&text) ? 0 : look_in(logins, &text, path, registry, out, found, err);
}

static int from_files(const struct bl_logins *logins, const char *registry, struct bl_login *out,
                      struct bl_err *err)
{
	char path[PATH_MAX];
	bool found = false;

	for (size_t i = 0; !found && place(i, path, sizeof(path)); i++)
		if (look_in_file(logins, path, registry, out, &found, err))
			return -1;
	return 0;
}

/* --- ECR -------------------------------------------------------------------------------------- */

/* region: for credentials that need one where nobody named any; NULL: none is known. */
static int open_aws(struct bl_logins *logins, const char *region, struct bl_err *err)
{
	struct bl_aws_options options = logins->options.aws;
	struct bl_aws *aws;

	if (logins->aws)
		return 0;
	if (bl_aws_open(&options, &aws, err))
		return -1;
	if (region && !*bl_aws_region(aws)) {
		bl_aws_close(aws);
		options.region = region;
		if (bl_aws_open(&options, &aws, err))
			return -1;
	}
	logins->aws = aws;
	return 0;
}

static int from_ecr(struct bl_logins *logins, const struct bl_ecr_name *name, struct bl_login *out,
                    int64_t *renew_wall_ms, struct bl_err *err)
{
	BL_AUTO(bl_ecr_token) token = { 0 };

	if (open_aws(logins, name->region, err) ||
	    bl_ecr_token(logins->aws, name->region, &token, err))
		return -1;
	snprintf(out->user, sizeof(out->user), "%s", token.user);
	out->password = token.password;
	token.password = (struct bl_secret){ 0 };
	*renew_wall_ms = token.expires_wall_ms - BEFORE_EXPIRY_MS;
	return 0;
}

/* --- What is kept ----------------------------------------------------------------------------- */

static struct kept *find(struct bl_logins *logins, const char *registry)
{
	for (size_t i = 0; i < KEPT_MAX; i++)
		if (!strcmp(logins->kept[i].registry, registry))
			return &logins->kept[i];
	return NULL;
}

static int fetch(struct bl_logins *logins, const char *registry, struct kept *out,
                 struct bl_err *err)
{
	struct kept got = { 0 };
	struct bl_ecr_name name;
	int rc;

	if (bl_image_ref_ecr(registry, &name))
		rc = from_ecr(logins, &name, &got.login, &got.renew_wall_ms, err);
	else
		rc = from_files(logins, registry, &got.login, err);
	if (rc) {
		bl_login_done(&got.login);
		return bl_wrap(err, "log in to %.128s", registry);
	}
	snprintf(got.registry, sizeof(got.registry), "%s", registry);
	*out = got;
	return 0;
}

static int get(struct bl_logins *logins, const char *registry, bool again, const struct kept **out,
               struct bl_err *err)
{
	struct kept *at = find(logins, registry), fresh;

	*out = at;
	if (at && !again && (!at->renew_wall_ms || bl_wall_ms() < at->renew_wall_ms))
		return 0;
	if (fetch(logins, registry, &fresh, err))
		return -1;
	if (!at)
		at = &logins->kept[logins->n_kept++ % KEPT_MAX];
	bl_login_done(&at->login);
	*at = fresh;
	*out = at;
	return 0;
}

int bl_logins_get(void *arg, const char *registry, bool again, struct bl_login *out,
                  struct bl_err *err)
{
	struct bl_logins *logins = arg;
	struct bl_login copy = { 0 };
	const struct kept *kept;
	int rc;

	if (!*registry || strlen(registry) >= sizeof(kept->registry))
		return bl_fail(err, BL_EINPUT, "a registry's name of %zu bytes", strlen(registry));
	pthread_mutex_lock(&logins->lock);
	rc = get(logins, registry, again, &kept, err);
	if (!rc)
		rc = bl_secret_copy(&copy.password, &kept->login.password, err);
	if (!rc) {
		memcpy(copy.user, kept->login.user, sizeof(copy.user));
		copy.is_identity_token = kept->login.is_identity_token;
		bl_login_done(out);
		*out = copy;
	}
	pthread_mutex_unlock(&logins->lock);
	return rc;
}

int bl_logins_aws(struct bl_logins *logins, struct bl_aws **out, struct bl_err *err)
{
	int rc;

	pthread_mutex_lock(&logins->lock);
	rc = open_aws(logins, NULL, err);
	pthread_mutex_unlock(&logins->lock);
	if (!rc)
		*out = logins->aws;
	return rc;
}
