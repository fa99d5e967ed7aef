/* SPDX-License-Identifier: Apache-2.0 */
#include "net/image_ref.h"

#include "base/str.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>

#define HUB "docker.io"
#define HUB_HOST "registry-1.docker.io"
#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789"

bool bl_image_tag_valid(const char *tag)
{
	size_t len = strlen(tag);

	return len >= 1 && len <= 128 && *tag != '.' && *tag != '-' &&
	       strspn(tag, LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ_.-") == len;
}

/* ".", "_", "__" or any number of "-". */
static size_t separator_length(const char *at)
{
	if (*at == '_')
		return at[1] == '_' ? 2 : 1;
	return *at == '.' ? 1 : strspn(at, "-");
}

static int bad_name(char c, struct bl_err *err)
{
	if (c >= 'A' && c <= 'Z') {
		bl_fail(err, BL_EINPUT, "its name has upper case");
		return bl_next(err, "write it in lower case: registries take no other");
	}
	if (!c || c == '/')
		bl_fail(err, BL_EINPUT,
		        "its name has a part that is empty or ends with a separator");
	else
		bl_fail(err, BL_EINPUT, "its name has '%c' where it may not be",
		        c >= ' ' && c < 127 ? c : '?');
	return bl_next(err, "lower-case letters and digits, with single '.', '_' or '-' between "
	                    "them, in parts with '/' between");
}

/* "team/name_x" */
static int check_repository(const char *name, struct bl_err *err)
{
	size_t len = strlen(name), n;

	if (!len || len > 255)
		return bl_fail(err, BL_EINPUT, "its name has %zu bytes: 1 to 255 are allowed", len);
	for (;;) {
		n = strspn(name, LOWER);
		if (!n)
			return bad_name(*name, err);
		name += n;
		if (!*name)
			return 0;
		n = *name == '/' ? 1 : separator_length(name);
		if (!n)
			return bad_name(*name, err);
		name += n;
	}
}

static int check_registry(const char *host, struct bl_err *err)
{
	BL_AUTO(bl_buf) url = BL_BUF(512);
	struct bl_err bad = { 0 };
	struct bl_url parts;

	bl_buf_addf(&url, "https://%s", host);
	if (bl_buf_check(&url, "registry", err))
		return -1;
	if (!strpbrk(host, "?#") && !bl_url_parse(bl_buf_text(&url), &parts, &bad))
		return 0;
	return bl_fail(err, BL_EINPUT, "'%.80s' is no registry's host%s%s", host,
	               bad.code ? ": " : "", bad.text);
}

/* What comes before the first '/' is a registry where it could be no part of a name. NULL: too
 * long. */
static const char *split_registry(const char *text, size_t len, struct bl_image_ref *out)
{
	const char *slash = memchr(text, '/', len);
	size_t n = slash ? (size_t)(slash - text) : 0;

	if (!slash || !(memchr(text, '.', n) || memchr(text, ':', n) ||
	                (n == 9 && !memcmp(text, "localhost", n)))) {
		snprintf(out->registry, sizeof(out->registry), HUB);
		return text;
	}
	if (n >= sizeof(out->registry))
		return NULL;
	memcpy(out->registry, text, n);
	out->registry[n] = '\0';
	if (!strcmp(out->registry, "index.docker.io") || !strcmp(out->registry, HUB_HOST))
		snprintf(out->registry, sizeof(out->registry), HUB);
	return slash + 1;
}

static int split(const char *text, struct bl_image_ref *out, struct bl_err *err)
{
	const char *at = strchr(text, '@'), *colon, *name, *prefix;
	size_t len = at ? (size_t)(at - text) : strlen(text), n;

	if (at && !bl_digest_valid(at + 1))
		return bl_fail(err, BL_EINPUT, "'%.80s' is not sha256: and 64 digits", at + 1);
	snprintf(out->digest, sizeof(out->digest), "%s", at ? at + 1 : "");
	name = split_registry(text, len, out);
	if (!name)
		return bl_fail(err, BL_EINPUT, "its registry has over %zu bytes",
		               sizeof(out->registry) - 1);
	n = len - (size_t)(name - text);
	colon = memrchr(name, ':', n);
	if (colon) {
		size_t tag = n - (size_t)(colon + 1 - name);

		if (tag >= sizeof(out->tag))
			return bl_fail(err, BL_EINPUT, "its tag has %zu bytes: 128 are allowed",
			               tag);
		memcpy(out->tag, colon + 1, tag);
		out->tag[tag] = '\0';
		if (!bl_image_tag_valid(out->tag))
			return bl_fail(err, BL_EINPUT,
			               "tag '%s': letters, digits, '_', '.' and '-' are allowed",
			               out->tag);
		n = (size_t)(colon - name);
	}
	prefix = !strcmp(out->registry, HUB) && !memchr(name, '/', n) ? "library/" : "";
	if (n + strlen(prefix) >= sizeof(out->repository))
		return bl_fail(err, BL_EINPUT, "its name has %zu bytes: 255 are allowed", n);
	snprintf(out->repository, sizeof(out->repository), "%s%.*s", prefix, (int)n, name);
	return check_registry(out->registry, err) || check_repository(out->repository, err) ? -1
	                                                                                    : 0;
}

int bl_image_ref_parse(const char *text, struct bl_image_ref *out, struct bl_err *err)
{
	struct bl_image_ref ref = { 0 };

	if (strstr(text, "://")) {
		bl_fail(err, BL_EINPUT, "image '%.200s' is a URL", text);
		return bl_next(err, "write it without the scheme: %.200s", strstr(text, "://") + 3);
	}
	if (!*text)
		return bl_fail(err, BL_EINPUT, "the image has no name");
	if (split(text, &ref, err))
		return bl_wrap(err, "image '%.200s'", text);
	*out = ref;
	return 0;
}

void bl_image_ref_add(struct bl_buf *buf, const struct bl_image_ref *ref)
{
	bl_buf_addf(buf, "%s/%s", ref->registry, ref->repository);
	if (ref->tag[0])
		bl_buf_addf(buf, ":%s", ref->tag);
	if (ref->digest[0])
		bl_buf_addf(buf, "@%s", ref->digest);
}

const char *bl_image_ref_host(const struct bl_image_ref *ref)
{
	return strcmp(ref->registry, HUB) != 0 ? ref->registry : HUB_HOST;
}

bool bl_image_ref_ecr(const char *registry, struct bl_ecr_name *out)
{
	static const char *const services[] = { ".dkr.ecr.", ".dkr.ecr-fips.", ".dkr-ecr.",
		                                ".dkr-ecr-fips." };
	/* of each partition, and of dual stack */
	static const char *const ends[] = { "amazonaws.com", "amazonaws.com.cn",
		                            "amazonaws.eu",  "on.aws",
		                            "c2s.ic.gov",    "on.amazonwebservices.com.cn",
		                            "sc2s.sgov.gov", "csp.hci.ic.gov",
		                            "cloud.adc-e.uk" };
	struct bl_ecr_name name = { 0 };
	const char *at = registry + 12;
	size_t region;

	if (strspn(registry, "0123456789") != 12)
		return false;
	memcpy(name.account, registry, 12);
	for (size_t i = 0; i < BL_COUNT(services); i++) {
		const char *rest = at + strlen(services[i]);

		if (!bl_str_starts(at, services[i]))
			continue;
		region = strcspn(rest, ".");
		if (!region || region >= sizeof(name.region) || !rest[region])
			return false;
		memcpy(name.region, rest, region);
		for (size_t k = 0; k < BL_COUNT(ends); k++)
			if (!strcmp(rest + region + 1, ends[k])) {
				*out = name;
				return true;
			}
	}
	return false;
}
