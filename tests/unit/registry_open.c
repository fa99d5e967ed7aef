/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/registry_open.h"

#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

/* Takes the wait of bl_registry_wait() to nothing. */
static double no_wait(void)
{
	return -1;
}

static int login(void *arg, const char *registry, bool again, struct bl_login *out,
                 struct bl_err *err)
{
	struct opened *opened = arg;
	unsigned i = opened->n_asked < opened->n_logins ? opened->n_asked : opened->n_logins - 1;

	assert_string_equal(registry, opened->session->registry);
	opened->n_asked++;
	opened->n_again += again;
	if (!opened->n_logins || !opened->logins[i].user)
		return 0;
	snprintf(out->user, sizeof(out->user), "%s", opened->logins[i].user);
	out->is_identity_token = opened->logins[i].is_identity_token;
	return bl_secret_set(&out->password, opened->logins[i].password,
	                     strlen(opened->logins[i].password), err);
}

void registry_open(struct opened *opened, const struct canned_reply *replies, size_t n)
{
	struct bl_registry_options options = { .login = login,
		                               .login_arg = opened,
		                               .counts = &opened->counts,
		                               .stop = &opened->stop };
	struct bl_err err = { 0 };
	char name[64];

	opened->server = canned_start(replies, n);
	snprintf(name, sizeof(name), "127.0.0.1:%u", canned_port(opened->server));
	options.registry = name;
	must(bl_registry_session_open(&options, &opened->session, &err), &err);
	must(bl_registry_open(opened->session, &opened->registry, &err), &err);
	opened->registry->random = no_wait;
}

void registry_rename(struct opened *opened, const char *name)
{
	snprintf(opened->session->registry, sizeof(opened->session->registry), "%s", name);
}

void registry_close(struct opened *opened)
{
	bl_registry_close(opened->registry);
	bl_registry_session_close(opened->session);
	canned_stop(opened->server);
}

const char *bearer_of(const struct canned *token_service)
{
	static char texts[4][256];
	static unsigned next;
	char *text = texts[next++ % 4];

	snprintf(text, sizeof(texts[0]),
	         "Www-Authenticate: Bearer realm=\"http://127.0.0.1:%u/token\",service=\"s\"\r\n",
	         canned_port(token_service));
	return text;
}

const char *sent_header(const struct canned *server, size_t i, const char *name)
{
	static char values[4][1024];
	static unsigned next;
	char *value = values[next++ % 4];
	size_t len = strlen(name);

	value[0] = '\0';
	for (const char *line = strstr(canned_head(server, i), "\r\n"); line && line[2];
	     line = strstr(line + 2, "\r\n"))
		if (!strncasecmp(line + 2, name, len) && line[2 + len] == ':')
			snprintf(value, sizeof(values[0]), "%.*s",
			         (int)strcspn(line + len + 4, "\r"), line + len + 4);
	return value;
}

void assert_request(const struct canned *server, size_t i, const char *start)
{
	const char *head = canned_head(server, i);

	if (strncmp(head, start, strlen(start)) != 0)
		fail_msg("request %zu is %.*s, not %s", i, (int)strcspn(head, "\r"), head, start);
}

int registry_get(struct opened *opened, struct bl_err *err)
{
	BL_AUTO(bl_buf) body = BL_BUF(4096);
	struct bl_oci_desc desc;

	return bl_registry_get_manifest(opened->registry, "demo", "t", &body, &desc, err);
}

int registry_put(struct opened *opened, struct bl_err *err)
{
	struct bl_oci_desc desc = { BL_OCI_MANIFEST, DOC_DIGEST, strlen(DOC) };

	return bl_registry_put_manifest(opened->registry, "demo", "t", DOC, &desc, err);
}
