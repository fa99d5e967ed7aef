/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "codec/hash.h"
#include "net/registry_parts.h"
#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bl_login_done(struct bl_login *login)
{
	bl_secret_done(&login->password);
	*login = (struct bl_login){ 0 };
}

/* http to this machine alone: what tests and laptops run there has no certificate. */
static void make_base(struct bl_registry_session *session)
{
	struct bl_image_ref ref = { 0 };
	char host[256];
	size_t len;

	snprintf(ref.registry, sizeof(ref.registry), "%s", session->registry);
	snprintf(host, sizeof(host), "%s", session->registry + (session->registry[0] == '['));
	len = session->registry[0] == '[' ? strcspn(host, "]") : strcspn(host, ":");
	host[len] = '\0';
	snprintf(session->base, sizeof(session->base), "%s://%s",
	         session->options.allow_http || bl_host_is_loopback(host) ? "http" : "https",
	         bl_image_ref_host(&ref));
}

int bl_registry_session_open(const struct bl_registry_options *options,
                             struct bl_registry_session **out, struct bl_err *err)
{
	struct bl_registry_session *session = calloc(1, sizeof(*session));

	if (!session)
		return bl_fail(err, BL_ENOMEM, "registry: out of memory");
	session->options = *options;
	snprintf(session->registry, sizeof(session->registry), "%s", options->registry);
	session->options.registry = session->registry;
	if (pthread_mutex_init(&session->lock, NULL)) {
		free(session);
		return bl_fail(err, BL_ENOMEM, "registry: no lock");
	}
	make_base(session);
	*out = session;
	return 0;
}

void bl_registry_session_close(struct bl_registry_session *session)
{
	if (!session)
		return;
	for (size_t i = 0; i < session->n_tokens; i++)
		bl_secret_done(&session->tokens[i].value);
	bl_login_done(&session->login);
	pthread_mutex_destroy(&session->lock);
	free(session);
}

/* In [0,1]; without randomness the whole wait. */
static double chance(void)
{
	struct bl_err unsaid = { 0 };
	uint32_t lot;

	return bl_random(&lot, sizeof(lot), &unsaid) ? 1 : (double)lot / UINT32_MAX;
}

int bl_registry_open(struct bl_registry_session *session, struct bl_registry **out,
                     struct bl_err *err)
{
	const struct bl_http_options options = { .allow_http = session->options.allow_http };
	struct bl_registry *registry = calloc(1, sizeof(*registry));

	if (!registry)
		return bl_fail(err, BL_ENOMEM, "registry: out of memory");
	registry->session = session;
	registry->random = chance;
	if (bl_http_open(&options, &registry->http, err)) {
		free(registry);
		return -1;
	}
	*out = registry;
	return 0;
}

void bl_registry_close(struct bl_registry *registry)
{
	if (!registry)
		return;
	bl_http_close(registry->http);
	free(registry);
}

void bl_registry_auto(struct bl_registry **registry)
{
	bl_registry_close(*registry);
}

/* --- Sources ---------------------------------------------------------------------------------- */

static int read_fd(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	return bl_fs_pread(*(int *)arg, to, len, offset, err);
}

struct bl_blob_source bl_blob_of_fd(int *fd)
{
	return (struct bl_blob_source){ read_fd, fd };
}

static int read_buf(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	const struct bl_buf *buf = arg;

	if (offset > buf->len || len > buf->len - offset)
		return bl_fail(err, BL_EBUG, "a read past the end of a blob");
	memcpy(to, buf->data + offset, len);
	return 0;
}

struct bl_blob_source bl_blob_of_buf(const struct bl_buf *buf)
{
	/* read alone uses it, and only reads */
	return (struct bl_blob_source){ read_buf, (void *)(uintptr_t)buf };
}
