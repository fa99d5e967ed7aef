/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's config.json and the auth.json of containers' tools. */
#include "run/image_login_parts.h"

#include "base/str.h"
#include "codec/base64.h"
#include "codec/json.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 1024 /* of a registry with a path */

bool login_is_helper(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";

	return *name && strlen(name) < 128 && strspn(name, allowed) == strlen(name);
}

void login_wipe(struct bl_value *value)
{
	if (value->text)
		bl_wipe(value->text, strlen(value->text));
	for (size_t i = 0; i < value->n; i++)
		login_wipe(value->items[i]);
}

int login_set(struct bl_login *login, const char *user, const char *password, size_t len,
              bool *found, struct bl_err *err)
{
	*found = *user && len;
	if (!*found)
		return 0;
	if (strlen(user) >= sizeof(login->user))
		return bl_fail(err, BL_EINPUT, "a user name of %zu bytes (at most %zu)",
		               strlen(user), sizeof(login->user) - 1);
	if (bl_secret_set(&login->password, password, len, err))
		return -1;
	snprintf(login->user, sizeof(login->user), "%s", user);
	login->is_identity_token = !strcmp(user, "<token>");
	return 0;
}

/* --- An entry of auths ------------------------------------------------------------------------ */

static int expect(const struct bl_value *value, enum bl_type type, const char *what,
                  struct bl_err *err)
{
	if (!value || value->type == type)
		return 0;
	return bl_fail(err, BL_EINPUT, "%s: expected %s, found %s", what, bl_type_name(type),
	               bl_type_name(value->type));
}

static const char *member(const struct bl_value *entry, const char *key, struct bl_err *err)
{
	const struct bl_value *value = bl_value_get(entry, key);

	if (value && value->type == BL_NULL)
		return "";
	if (expect(value, BL_STRING, key, err))
		return NULL;
	return value ? value->text : "";
}

/* base64 of "USER:PASSWORD" into `plain`, a NUL in place of the colon. */
static int decode_auth(const char *auth, struct bl_buf *plain, struct bl_err *err)
{
	char *colon = NULL;
	size_t len = strlen(auth);

	if (!bl_buf_room(plain, len))
		return bl_fail(err, BL_ENOMEM, "auth: out of memory");
	if (bl_base64_decode(auth, len, plain, err)) {
		if (err->code == BL_ENOMEM)
			return -1;
		bl_err_clear(err);
		return bl_fail(err, BL_EINPUT, "auth is not base64");
	}
	/* some tools pad it so */
	while (plain->len && !plain->data[plain->len - 1])
		plain->len--;
	if (plain->len)
		colon = memchr(plain->data, ':', plain->len);
	/* a NUL would end the user early */
	if (!colon || memchr(plain->data, '\0', (size_t)(colon - plain->data)))
		return bl_fail(err, BL_EINPUT, "auth is not the base64 of USER:PASSWORD");
	*colon = '\0';
	return 0;
}

static int of_texts(const char *auth, const char *user, const char *password, const char *token,
                    struct bl_login *out, bool *found, struct bl_err *err)
{
	BL_SECRET_BUF plain = BL_BUF(LOGIN_FILE_MAX);
	size_t len = strlen(password);

	if (*auth) {
		if (decode_auth(auth, &plain, err))
			return -1;
		user = bl_buf_text(&plain);
		password = user + strlen(user) + 1;
		len = plain.len - strlen(user) - 1;
	}
	if (!*token)
		return login_set(out, user, password, len, found, err);
	/* the user beside it is a placeholder, or none */
	if (login_set(out, *user ? user : "<token>", token, strlen(token), found, err))
		return -1;
	out->is_identity_token = true;
	return 0;
}

static int of_entry(const struct bl_value *entry, struct bl_login *out, bool *found,
                    struct bl_err *err)
{
	static const char *const keys[] = { "auth", "username", "password", "identitytoken" };
	const char *texts[BL_COUNT(keys)];

	if (expect(entry, BL_MAP, "its entry", err))
		return -1;
	for (size_t i = 0; i < BL_COUNT(keys); i++) {
		texts[i] = member(entry, keys[i], err);
		if (!texts[i])
			return -1;
	}
	return of_texts(texts[0], texts[1], texts[2], texts[3], out, found, err);
}

/* --- Which entry ------------------------------------------------------------------------------ */

/* What older tools wrote: "https://registry.example/v1/". */
static bool is_url_of(const char *key, const char *host)
{
	const char *at = strstr(key, "://");
	size_t len = strlen(host);

	return at && !strncmp(at + 3, host, len) && (at[3 + len] == '/' || !at[3 + len]);
}

static const struct bl_value *by_host(const struct bl_value *auths, const char *host)
{
	const struct bl_value *found = bl_value_get(auths, host);

	for (size_t i = 0; auths && !found && i < auths->n; i++)
		if (is_url_of(auths->items[i]->key, host))
			found = auths->items[i];
	return found;
}

/* Tries one entry; an empty one says that a store has it, which is no login here. */
static int try_entry(const struct bl_value *entry, const char *name, struct bl_login *out,
                     bool *found, struct bl_err *err)
{
	if (!entry || *found || entry->type == BL_NULL)
		return 0;
	if (of_entry(entry, out, found, err))
		return bl_wrap(err, "auths of %.128s", name);
	return 0;
}

/* "host/team/name", "host/team", then the host by all its names. */
static int search_auths(const struct bl_value *auths, const char *registry, struct bl_login *out,
                        bool *found, struct bl_err *err)
{
	static const char *const hub[] = { "index.docker.io", "registry-1.docker.io" };
	char name[NAME_MAX_BYTES];
	char *slash;

	snprintf(name, sizeof(name), "%s", registry);
	while (!*found && (slash = strrchr(name, '/'))) {
		if (try_entry(bl_value_get(auths, name), name, out, found, err))
			return -1;
		*slash = '\0';
	}
	if (try_entry(by_host(auths, name), name, out, found, err))
		return -1;
	for (size_t i = 0; !strcmp(name, LOGIN_HUB) && i < BL_COUNT(hub); i++)
		if (try_entry(by_host(auths, hub[i]), hub[i], out, found, err))
			return -1;
	return 0;
}

/* --- The file --------------------------------------------------------------------------------- */

static int take_helper(const struct bl_value *value, const char *key, char helper[128],
                       struct bl_err *err)
{
	if (expect(value, BL_STRING, key, err))
		return -1;
	if (!value || !*value->text)
		return 0;
	if (!login_is_helper(value->text))
		return bl_fail(err, BL_EINPUT,
		               "%s: '%.64s' is no name of a helper (letters, digits, '.', '_', "
		               "'-')",
		               key, value->text);
	snprintf(helper, 128, "%s", value->text);
	return 0;
}

static int search(const struct bl_value *root, const char *registry, struct bl_login *out,
                  char helper[128], bool *found, struct bl_err *err)
{
	const struct bl_value *helpers = bl_value_get(root, "credHelpers");
	const struct bl_value *auths = bl_value_get(root, "auths"), *ours;
	char host[NAME_MAX_BYTES];

	snprintf(host, sizeof(host), "%.*s", (int)strcspn(registry, "/"), registry);
	if (expect(root, BL_MAP, "the document", err) ||
	    expect(helpers, BL_MAP, "credHelpers", err) || expect(auths, BL_MAP, "auths", err))
		return -1;
	ours = bl_value_get(helpers, host);
	if (!ours && !strcmp(host, LOGIN_HUB))
		ours = bl_value_get(helpers, LOGIN_HUB_OLD);
	if (take_helper(ours, "credHelpers", helper, err))
		return -1;
	*found = *helper;
	if (*found)
		return 0;
	if (search_auths(auths, registry, out, found, err))
		return -1;
	/* an empty helper for a registry means: not the store that all others use */
	if (*found || ours)
		return 0;
	if (take_helper(bl_value_get(root, "credsStore"), "credsStore", helper, err))
		return -1;
	*found = *helper;
	return 0;
}

/* A parser's message quotes what it stumbled over, which may be a password. */
static int not_json(const char *file, struct bl_err *err)
{
	char *quote = strstr(err->text, " near '");

	if (err->code == BL_ENOMEM)
		return -1;
	if (quote)
		*quote = '\0';
	bl_recode(err, BL_EINPUT);
	return bl_next(err, "correct it, or remove it and log in again: docker login (%s)", file);
}

int bl_login_of_config(const char *bytes, size_t len, const char *file, const char *registry,
                       struct bl_login *out, char helper[128], bool *found, struct bl_err *err)
{
	struct bl_login got = { 0 };
	char name[128] = "";
	BL_VALUE root = NULL;
	bool any = false;
	int rc;

	if (strlen(registry) >= NAME_MAX_BYTES)
		return bl_fail(err, BL_EINPUT, "a registry's name of %zu bytes", strlen(registry));
	if (bl_json_parse(bytes, len, file, &root, err))
		return not_json(file, err);
	rc = search(root, registry, &got, name, &any, err);
	login_wipe(root);
	if (rc) {
		bl_login_done(&got);
		bl_wrap(err, "%s", file);
		return err->code == BL_ENOMEM ? -1
		                              : bl_next(err, "correct it, or log in again: docker "
		                                             "login");
	}
	*out = got;
	memcpy(helper, name, sizeof(name));
	*found = any;
	return 0;
}
