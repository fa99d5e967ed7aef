/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "codec/json.h"
#include "net/registry_parts.h"

#include <stdio.h>
#include <string.h>

/* What people can do about a registry's codes. */
static const struct {
	const char *code, *next;
} advice[] = {
	{ "NAME_UNKNOWN", "create the repository first, or correct its name" },
	{ "NAME_INVALID", "correct the repository's name" },
	{ "UNAUTHORIZED", "log in to that registry, with the right to push" },
	{ "DENIED", "the login may not do this: ask for the right to push to this repository" },
	{ "TOOMANYREQUESTS", "the registry limits how often it is asked: log in, or try later" },
	{ "MANIFEST_UNKNOWN", "correct the tag or digest" },
	{ "MANIFEST_INVALID", "the registry does not take OCI images: use a newer one" },
	{ "MANIFEST_BLOB_UNKNOWN", "push again: a layer was removed from the registry meanwhile" },
	{ "BLOB_UNKNOWN", "the registry has lost a layer: push that image again" },
	{ "DIGEST_INVALID", "push again: bytes were changed on the way" },
	{ "SIZE_INVALID", "push again: bytes were lost on the way" },
	{ "UNSUPPORTED", "the registry does not allow this operation" },
};

void bl_registry_error_read(const struct bl_http_reply *reply, struct bl_registry_error *out)
{
	const struct bl_value *first = NULL, *list;
	struct bl_err unread = { 0 };
	BL_VALUE doc = NULL;

	*out = (struct bl_registry_error){ 0 };
	if (!reply->body.len ||
	    bl_json_parse(bl_buf_text(&reply->body), reply->body.len, "error", &doc, &unread))
		return;
	list = bl_value_get(doc, "errors");
	if (list && list->type == BL_LIST && list->n)
		first = list->items[0];
	snprintf(out->code, sizeof(out->code), "%s", bl_value_text_or(first, "code", ""));
	snprintf(out->message, sizeof(out->message), "%s", bl_value_text_or(first, "message", ""));
}

static bool says_immutable(const struct bl_registry_error *error)
{
	return !strcmp(error->code, "TAG_INVALID") ||
	       strstr(error->code, "ImageTagAlreadyExists") ||
	       strstr(error->message, "immutable") ||
	       strstr(error->message, "ImageTagAlreadyExists");
}

static enum bl_code code_of(int status, const struct bl_registry_error *error)
{
	if (status < 500 && says_immutable(error))
		return BL_EEXIST;
	switch (status) {
	case 404:
		return BL_ENOENT;
	case 401:
	case 403:
		return BL_EDENIED;
	default:
		return status >= 500 ? BL_ERETRY : BL_EINPUT;
	}
}

/* ECR's own command where the registry is one. */
static void advise_repository(const struct bl_registry *registry, const struct bl_registry_ask *ask,
                              struct bl_err *err)
{
	const char *name = ask->scope ? strchr(ask->scope, ':') : NULL;
	struct bl_ecr_name ecr;

	if (name && bl_image_ref_ecr(registry->session->registry, &ecr))
		bl_next(err,
		        "aws ecr create-repository --region %s --repository-name %.*s, or push "
		        "with "
		        "--create-repository",
		        ecr.region, (int)strcspn(name + 1, ":"), name + 1);
}

int bl_registry_refused(const struct bl_registry *registry, const struct bl_registry_ask *ask,
                        const struct bl_http_reply *reply, struct bl_err *err)
{
	struct bl_registry_error error;

	bl_registry_error_read(reply, &error);
	bl_fail(err, code_of(reply->status, &error), "registry %s: %s: HTTP %d%s%s%s%s",
	        registry->session->registry, ask->what, reply->status, error.code[0] ? " " : "",
	        error.code, error.message[0] ? ": " : "", error.message);
	if (!strcmp(error.code, "NAME_UNKNOWN"))
		advise_repository(registry, ask, err);
	for (size_t i = 0; i < BL_COUNT(advice); i++)
		if (!strcmp(advice[i].code, error.code))
			bl_next(err, "%s", advice[i].next);
	if (reply->status == 401 || reply->status == 403)
		bl_next(err, "log in to that registry with the right to do this");
	return -1;
}
