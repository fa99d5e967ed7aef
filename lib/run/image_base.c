/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_base.h"

#include "run/image.h"
#include "run/image_blobs.h"

#include <stdio.h>
#include <string.h>

void bl_base_done(struct bl_base *base)
{
	bl_place_close(base->place);
	bl_buf_done(&base->manifest);
	*base = (struct bl_base){ 0 };
}

void bl_base_tags(const char *hash, bool is_main, struct bl_base_tags *out)
{
	*out = (struct bl_base_tags){ 0 };
	snprintf(out->read[0], sizeof(out->read[0]), "base-%.16s", hash);
	if (!is_main)
		snprintf(out->read[1], sizeof(out->read[1]), "base-pr-%.16s", hash);
	snprintf(out->write, sizeof(out->write), "base-%s%.16s", is_main ? "" : "pr-", hash);
}

static const char *text_of(const struct bl_base_options *options, const char *key)
{
	const char *text = bl_config_text(options->config, key);

	return text && *text ? text : NULL;
}

static int open_named(const struct bl_base_options *options, struct bl_base *base,
                      struct bl_err *err)
{
	const char *name = text_of(options, "image.base");

	if (!name) {
		bl_fail(err, BL_EINPUT, "no base image: image.base is not set");
		return bl_next(err, "name one that has what the training needs, as image: {base: "
		                    "\"pytorch/pytorch:2.5.1-cuda12.4-cudnn9-runtime\"}, or "
		                    "--image-base");
	}
	return bl_place_open(name, options->places, &base->place, &base->ref, err)
	               ? bl_wrap(err, "image.base")
	               : 0;
}

/* --- What a build starts from ----------------------------------------------------------------- */

/* "registry/name@sha256:...": what FROM names, so that the hash means one base. */
static int pin_named(const struct bl_base *named, struct bl_buf *pinned, struct bl_err *err)
{
	struct bl_image_ref ref = named->ref;
	struct bl_oci_desc desc;

	if (!bl_place_is_registry(named->place)) {
		bl_fail(err, BL_EINPUT, "image.requirements on a base in a directory");
		return bl_next(err, "push the base to a registry first");
	}
	if (bl_place_head_manifest(named->place, bl_image_reference(&named->ref), &desc, err))
		return bl_wrap(err, "image.base");
	memcpy(ref.digest, desc.digest, sizeof(ref.digest));
	ref.tag[0] = '\0';
	bl_image_ref_add(pinned, &ref);
	return bl_buf_check(pinned, "image.base", err);
}

/* --- Built bases ------------------------------------------------------------------------------ */

static int look_for(const struct bl_base_options *options, const struct bl_base_tags *tags,
                    struct bl_base *out, bool *found, struct bl_err *err)
{
	*found = false;
	for (size_t i = 0; i < BL_COUNT(tags->read) && tags->read[i][0] && !*found; i++) {
		if (!bl_place_get_manifest(options->target, tags->read[i], &out->manifest,
		                           &out->desc, err)) {
			snprintf(out->ref.tag, sizeof(out->ref.tag), "%s", tags->read[i]);
			*found = true;
			continue;
		}
		if (err->code != BL_ENOENT)
			return bl_wrap(err, "look for the base");
		bl_err_clear(err);
	}
	return 0;
}

static void say(const struct bl_base_options *options, const char *text)
{
	if (options->say)
		options->say(options->arg, text);
}

static int build_it(const struct bl_base_options *options, const struct bl_build *build,
                    const struct bl_base_tags *tags, struct bl_err *err)
{
	BL_AUTO(bl_buf) cache = BL_BUF(1024);
	char layout[4096], text[4096 + 16];
	struct bl_place_options how = { .stop = options->stop };
	struct bl_image_ref ref;
	BL_PLACE from = NULL;

	if (bl_place_is_registry(options->target)) {
		bl_place_add_name(options->target, &cache);
		if (bl_buf_check(&cache, "cache", err))
			return -1;
	}
	if (bl_build_run(build, options->work, cache.len ? bl_buf_text(&cache) : NULL, layout, err))
		return -1;
	snprintf(text, sizeof(text), "oci:%s:base", layout);
	say(options, "sending the base");
	if (bl_place_open(text, &how, &from, &ref, err))
		return -1;
	return bl_image_copy(
		&(struct bl_image_copy){
			.from = from,
			.reference = "base",
			.platform = options->platform,
			.to = options->target,
			.tag = tags->write,
			.at_once = options->at_once,
			.stop = options->stop,
			.progress = options->progress,
			.arg = options->arg,
		},
		err);
}

static int get_built(const struct bl_base_options *options, const struct bl_build *build,
                     struct bl_base *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) warn = BL_BUF(4096);
	struct bl_base_tags tags;
	bool found;

	if (bl_build_hash(build, out->hash, &warn, err))
		return -1;
	if (warn.len)
		say(options, bl_buf_text(&warn));
	bl_base_tags(out->hash, options->is_main, &tags);
	if (bl_place_clone(options->target, &out->place, err) ||
	    look_for(options, &tags, out, &found, err))
		return -1;
	if (found)
		return 0;
	say(options, "building the base: its inputs are new");
	if (build_it(options, build, &tags, err))
		return bl_wrap(err, "base image");
	out->built = true;
	snprintf(tags.read[0], sizeof(tags.read[0]), "%s", tags.write);
	tags.read[1][0] = '\0';
	if (look_for(options, &tags, out, &found, err))
		return -1;
	return found ? 0 : bl_fail(err, BL_EIO, "the base was sent, but is not there");
}

int bl_base_get(const struct bl_base_options *options, struct bl_base *out, struct bl_err *err)
{
	struct bl_build build = {
		.tree = options->tree,
		.dockerfile = text_of(options, "image.dockerfile"),
		.requirements = text_of(options, "image.requirements"),
		.context = bl_config_text(options->config, "image.context"),
		.platform = options->platform,
		.tool_version = options->tool_version,
		.is_main = options->is_main,
		.login = options->places->login,
		.login_arg = options->places->login_arg,
		.stop = options->stop,
		.say = options->say,
		.arg = options->arg,
	};
	BL_AUTO(bl_base) base = { .manifest = BL_BUF(BL_OCI_DOC_MAX) };
	BL_AUTO(bl_base) named = { 0 };
	BL_AUTO(bl_buf) pinned = BL_BUF(1024);

	if (!build.dockerfile && open_named(options, &named, err))
		return -1;
	if (build.dockerfile || build.requirements) {
		if (build.requirements && pin_named(&named, &pinned, err))
			return -1;
		build.base = pinned.len ? bl_buf_text(&pinned) : NULL;
		bl_place_ref(options->target, &base.ref);
		if (get_built(options, &build, &base, err))
			return -1;
		*out = base;
		base = (struct bl_base){ 0 };
		return 0;
	}
	*out = named;
	named = (struct bl_base){ 0 };
	return 0;
}
