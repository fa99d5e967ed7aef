/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "codec/json.h"
#include "net/registry_parts.h"

#include <stdio.h>
#include <string.h>

#define CREATE                                                                                     \
	"create it: aws ecr create-repository --region %s --registry-id %s --repository-name "     \
	"%.*s, or push with --create-repository"
#define ECR_RIGHTS                                                                                 \
	"allow the role to push: ecr:BatchCheckLayerAvailability, ecr:InitiateLayerUpload, "       \
	"ecr:UploadLayerPart, ecr:CompleteLayerUpload, ecr:PutImage, ecr:BatchGetImage, "          \
	"ecr:GetDownloadUrlForLayer"

/* What people can do about a registry's codes. */
static const struct {
	const char *code, *next;
} advice[] = {
	{ "NAME_UNKNOWN", "correct the repository's name, or create it first" },
	{ "NAME_INVALID", "correct the repository's name: this registry allows fewer characters" },
	{ "UNAUTHORIZED", "log in to that registry with the right to do this" },
	{ "DENIED", "the login may not do this: ask for the right to use this repository" },
	{ "TOOMANYREQUESTS", "log in (Docker Hub allows more then), or try again later" },
	{ "MANIFEST_UNKNOWN", "correct the tag or digest" },
	{ "MANIFEST_INVALID", "the registry does not take OCI images: is it too old for them?" },
	{ "MANIFEST_UNVERIFIED", "the registry wants signed images: this one is not" },
	{ "MANIFEST_BLOB_UNKNOWN", "push again: a layer was removed from the registry meanwhile" },
	{ "BLOB_UNKNOWN", "the registry has lost a layer: push that image again" },
	{ "BLOB_UPLOAD_INVALID", "push again: the registry lost the upload" },
	{ "BLOB_UPLOAD_UNKNOWN", "push again: the registry lost the upload" },
	{ "DIGEST_INVALID", "push again: bytes were changed on the way" },
	{ "SIZE_INVALID", "push again: bytes were lost on the way" },
	{ "TAG_INVALID", "choose another tag" },
	{ "UNSUPPORTED", "the registry does not allow this: is it a read-only mirror?" },
	{ "LayersNotFoundException", "push again: a layer was removed meanwhile" },
	{ "LimitExceededException", "delete images, or ask for more in Service Quotas" },
};

static void copy(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text);
	for (; *to; to++)
		if ((unsigned char)*to < ' ' || *to == 127)
			*to = ' ';
}

/* Beside the specification's form there is {"code":...,"message":...}, and token services say
 * {"details":...} or {"error":...}. */
void bl_registry_error_read(const struct bl_http_reply *reply, struct bl_registry_error *out)
{
	struct bl_err unread = { 0 };
	const struct bl_value *list, *said;
	const char *message;
	BL_VALUE doc = NULL;

	*out = (struct bl_registry_error){ 0 };
	if (!reply->body.len ||
	    bl_json_parse(bl_buf_text(&reply->body), reply->body.len, "error", &doc, &unread))
		return;
	list = bl_value_get(doc, "errors");
	said = list && list->type == BL_LIST && list->n ? list->items[0] : doc;
	message = bl_value_text_or(said, "message", "");
	if (!*message)
		message = bl_value_text_or(said, "details", bl_value_text_or(said, "error", ""));
	copy(out->code, sizeof(out->code), bl_value_text_or(said, "code", ""));
	copy(out->message, sizeof(out->message), message);
}

/* Each registry has its own words: "tag is immutable", "enabled tag immutability". */
static bool says_immutable(const struct bl_registry_error *error)
{
	return strcasestr(error->message, "immutab") ||
	       strstr(error->code, "ImageTagAlreadyExists") ||
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
		return status >= 500 || status == 429 ? BL_ERETRY : BL_EINPUT;
	}
}

/* "repository:NAME:pull,push": what is pushed to. */
static const char *target_of(const struct bl_registry_ask *ask, int *len)
{
	bool pushes = ask && ask->scope && strstr(ask->scope, "push");
	const char *name = pushes ? strchr(ask->scope, ':') : NULL;

	*len = name ? (int)strcspn(name + 1, ":") : 0;
	return name ? name + 1 : "";
}

void bl_registry_advise(const struct bl_registry *registry, const char *code,
                        const struct bl_registry_ask *ask, struct bl_err *err)
{
	struct bl_ecr_name ecr;
	const char *name;
	int len;

	name = target_of(ask, &len);
	if (bl_image_ref_ecr(registry->session->registry, &ecr)) {
		if (!strcmp(code, "NAME_UNKNOWN") && len)
			bl_next(err, CREATE, ecr.region, ecr.account, len, name);
		if (!strcmp(code, "DENIED") || !strcmp(code, "UNAUTHORIZED"))
			bl_next(err, ECR_RIGHTS);
	}
	for (size_t i = 0; i < BL_COUNT(advice); i++)
		if (!strcmp(advice[i].code, code))
			bl_next(err, "%s", advice[i].next);
}

/* For a reply without a code of the registry's. */
static const char *code_by_status(int status)
{
	return status == 401 ? "UNAUTHORIZED" : status == 403 ? "DENIED" : "";
}

int bl_registry_refused(const struct bl_registry *registry, const struct bl_registry_ask *ask,
                        const struct bl_http_reply *reply, struct bl_err *err)
{
	struct bl_registry_error error;

	bl_registry_error_read(reply, &error);
	bl_fail(err, code_of(reply->status, &error), "registry %s: %s: HTTP %d%s%s%s%s",
	        registry->session->registry, ask->what, reply->status, error.code[0] ? " " : "",
	        error.code, error.message[0] ? ": " : "", error.message);
	bl_registry_advise(registry, error.code, ask, err);
	bl_registry_advise(registry, code_by_status(reply->status), ask, err);
	if (!error.code[0] && !error.message[0] && reply->body.len)
		bl_next(err, "what answers at %s speaks no registry API (v2): check host and port",
		        registry->session->registry);
	return -1;
}
