/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/push-image/push_options.h"

#include "net/image_ref.h"

#include <string.h>

#define AT_ONCE_MAX 16
#define PLATFORM "linux/amd64"

static const struct bl_option table[] = {
	{ "to", 0, BL_OPT_TEXT, offsetof(struct push_options, to), "PLACE",
	  "repository, as localhost:5000/demo, or oci:DIR" },
	{ "commit", 0, BL_OPT_TEXT, offsetof(struct push_options, commit), "REV",
	  "default HEAD; in a workflow what the event is about" },
	{ "tag", 0, BL_OPT_EACH, offsetof(struct push_options, tags), "TAG",
	  "beside the commit's SHA; again for more" },
	{ "tags", 0, BL_OPT_TEXT, offsetof(struct push_options, tags_text), "LIST",
	  "the same, between commas or blanks" },
	{ "platform", 0, BL_OPT_TEXT, offsetof(struct push_options, platform), "OS/ARCH",
	  "of the base; default " PLATFORM },
	{ "job", 0, BL_OPT_TEXT, offsetof(struct push_options, job), "NAME",
	  "of branchline.yaml; default its default_job" },
	{ "file", 0, BL_OPT_TEXT, offsetof(struct push_options, file), "PATH",
	  "branchline.yaml's path in the commit" },
	{ "create-repository", 0, BL_OPT_SWITCH, offsetof(struct push_options, create), NULL,
	  "in ECR, where it is missing" },
	{ "at-once", 0, BL_OPT_NUMBER, offsetof(struct push_options, at_once), "N",
	  "layers under way; default 4" },
	{ "profile", 0, BL_OPT_TEXT, offsetof(struct push_options, profile), "NAME",
	  "of AWS's configuration, for ECR" },
	{ "region", 0, BL_OPT_TEXT, offsetof(struct push_options, region), "NAME",
	  "for AWS; default AWS_REGION" },
	{ "allow-http", 0, BL_OPT_SWITCH, offsetof(struct push_options, allow_http), NULL,
	  "registries without TLS, which localhost needs not" },
	{ "describe-runner", 0, BL_OPT_SWITCH, offsetof(struct push_options, describe), NULL,
	  "only print what branchline-runner.layer has to say" },
	BL_OPT_JSON(struct push_options),
};

static void more_help(struct bl_buf *out)
{
	bl_buf_adds(
		out,
		"\nThe image is image.base, a layer with Branchline's runner and a layer with the\n"
		"commit's files below /opt/ml/code. No daemon, no Dockerfile; nothing is sent "
		"that\n"
		"is there. With image.requirements or image.dockerfile the base is built first,\n"
		"by buildah or docker, unless one with the same inputs is there.\n"
		"Every key of branchline.yaml is a flag too, as --image-base NAME.\n");
}

const struct bl_usage push_usage = {
	.verb = "push-image",
	.example = "branchline push-image --to localhost:5000/demo\n"
		   "branchline push-image --to oci:image --commit v1.2 --tag v1.2",
	.about = "Makes an image of a commit and pushes it, by digest and with the commit's SHA as "
		 "tag.",
	.options = table,
	.n_options = BL_COUNT(table),
	.config = true,
	.more = more_help,
};

int push_options_tags(const struct push_options *opt, const char *of_to, struct bl_buf *text,
                      const char *tags[PUSH_TAGS_MAX], size_t *n, struct bl_err *err)
{
	const char *list = opt->tags_text ? opt->tags_text : "";

	for (size_t i = 0; i < opt->tags.n; i++)
		bl_buf_add(text, opt->tags.texts[i], strlen(opt->tags.texts[i]) + 1);
	while (*list) {
		size_t len = strcspn(list, ", \t\r\n");

		bl_buf_add(text, list, len);
		bl_buf_add(text, "", len > 0);
		list += len + (list[len] != '\0');
	}
	if (*of_to)
		bl_buf_add(text, of_to, strlen(of_to) + 1);
	if (bl_buf_check(text, "tags", err))
		return -1;
	*n = 0;
	for (size_t at = 0; at < text->len; at += strlen(text->data + at) + 1) {
		const char *tag = text->data + at;

		if (*n == PUSH_TAGS_MAX)
			return bl_fail(err, BL_EINPUT, "over %d tags", PUSH_TAGS_MAX);
		if (!bl_image_tag_valid(tag)) {
			bl_fail(err, BL_EINPUT, "'%.140s' is no tag", tag);
			return bl_next(err, "1 to 128 letters, digits, '_', '.' and '-'");
		}
		tags[(*n)++] = tag;
	}
	return 0;
}

int push_options_check(struct push_options *opt, struct bl_err *err)
{
	if (!opt->to) {
		bl_fail(err, BL_EINPUT, "where to? --to is missing");
		return bl_next(err, "--to 123456789012.dkr.ecr.eu-central-1.amazonaws.com/NAME, "
		                    "--to localhost:5000/NAME, or --to oci:DIR");
	}
	if (opt->at_once > AT_ONCE_MAX)
		return bl_fail(err, BL_EINPUT, "--at-once: 1 to %d", AT_ONCE_MAX);
	if (!opt->platform)
		opt->platform = PLATFORM;
	return 0;
}
