/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "base/secret.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "net/image_ref.h"
#include "run/image_build_parts.h"

#include <stdio.h>
#include <string.h>

#define HOSTS_MAX 16
#define NAME "auth.json"

struct hosts {
	char names[HOSTS_MAX][sizeof((struct bl_image_ref){ 0 }.registry)];
	size_t n;
	bool has_ecr;
};

static void add_host(struct hosts *hosts, const char *registry)
{
	struct bl_ecr_name name;

	for (size_t i = 0; i < hosts->n; i++)
		if (!strcmp(hosts->names[i], registry))
			return;
	if (hosts->n == HOSTS_MAX)
		return;
	snprintf(hosts->names[hosts->n++], sizeof(hosts->names[0]), "%s", registry);
	hosts->has_ecr = hosts->has_ecr || bl_image_ref_ecr(registry, &name);
}

static int on_image(void *arg, const char *image, bool resolved, unsigned line, struct bl_err *err)
{
	struct bl_image_ref ref;

	(void)line;
	if (resolved && !bl_image_ref_parse(image, &ref, err))
		add_host(arg, ref.registry);
	if (err->code == BL_ENOMEM)
		return -1;
	bl_err_clear(err); /* a name that the builder will refuse */
	return 0;
}

/* Both builders know Docker Hub by this name. */
static const char *key_of(const char *registry)
{
	return strcmp(registry, "docker.io") != 0 ? registry : "https://index.docker.io/v1/";
}

static int add_login(const struct bl_build *build, const char *registry, struct bl_json *json,
                     struct bl_err *err)
{
	BL_SECRET_BUF pair = BL_BUF(32768), encoded = BL_BUF(65536);
	BL_AUTO(bl_login) login = { 0 };

	if (build->login(build->login_arg, registry, false, &login, err))
		return bl_wrap(err, "log in to %s", registry);
	if (!login.user[0] && !login.is_identity_token)
		return 0; /* nobody */
	if (!bl_buf_room(&pair, pair.max) || !bl_buf_room(&encoded, encoded.max))
		return bl_fail(err, BL_ENOMEM, "login: out of memory");
	bl_buf_addf(&pair, "%s:%s", login.user,
	            login.is_identity_token ? "" : bl_secret_text(&login.password));
	bl_base64_add(&encoded, bl_buf_text(&pair), pair.len);
	if (bl_buf_check(&pair, "login", err) || bl_buf_check(&encoded, "login", err))
		return -1;
	bl_json_map(json, key_of(registry));
	bl_json_text(json, "auth", bl_buf_text(&encoded));
	if (login.is_identity_token)
		bl_json_text(json, "identitytoken", bl_secret_text(&login.password));
	bl_json_end_map(json);
	return 0;
}

int build_write_logins(const struct bl_build *build, const struct build_inputs *inputs,
                       const char *cache_ref, const char *work, char path[4096], struct bl_err *err)
{
	BL_SECRET_BUF text = BL_BUF((size_t)256 << 10);
	struct bl_json json = BL_JSON(&text);
	struct hosts hosts = { .n = 0 };
	BL_FD dir = -1;
	int n;

	path[0] = '\0';
	if (build_each_from(bl_buf_text(&inputs->dockerfile), inputs->dockerfile.len, on_image,
	                    &hosts, err) ||
	    (cache_ref && on_image(&hosts, cache_ref, true, 0, err)))
		return -1;
	if (!build->login || !hosts.has_ecr)
		return 0;
	if (!bl_buf_room(&text, text.max))
		return bl_buf_check(&text, NAME, err);
	bl_json_map(&json, NULL);
	bl_json_map(&json, "auths");
	for (size_t i = 0; i < hosts.n; i++)
		if (add_login(build, hosts.names[i], &json, err))
			return -1;
	bl_json_end_map(&json);
	bl_json_end_map(&json);
	if (bl_buf_check(&text, NAME, err) || bl_fs_open_dir(work, &dir, err) ||
	    bl_fs_replace(dir, NAME, bl_buf_text(&text), text.len, 0600, err))
		return -1;
	n = snprintf(path, 4096, "%s/" NAME, work);
	return n > 0 && n < 4096 ? 0 : bl_fail(err, BL_EINPUT, "'%.100s...' is too long", work);
}
