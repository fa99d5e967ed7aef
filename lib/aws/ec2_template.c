/* SPDX-License-Identifier: Apache-2.0 */
/* Where and by what instances are launched: the stack's launch templates and subnets. */
#include "aws/ec2_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- DescribeLaunchTemplateVersions ----------------------------------------------------------- */

#define TEMPLATE "DescribeLaunchTemplateVersionsResponse/launchTemplateVersionSet/item"

struct reading {
	struct bl_ec2_template found;
	char key[256], value[512]; /* under way */
	struct bl_ec2_tag *tags;   /* of the resource under way */
	size_t n_tags;
	char resource[32];
	bool ended;
};

static void reading_done(struct reading *reading)
{
	bl_ec2_tags_done(&reading->tags, &reading->n_tags);
	bl_ec2_template_done(&reading->found);
}

void bl_ec2_template_done(struct bl_ec2_template *found)
{
	bl_ec2_tags_done(&found->tags, &found->n_tags);
	*found = (struct bl_ec2_template){ 0 };
}

static int on_tag(struct reading *reading, const char *at, const char *text, struct bl_err *err)
{
	if (!strcmp(at, "key")) {
		snprintf(reading->key, sizeof(reading->key), "%s", text);
	} else if (!strcmp(at, "value")) {
		snprintf(reading->value, sizeof(reading->value), "%s", text);
	} else if (!*at) {
		if (bl_ec2_add_tag(&reading->tags, &reading->n_tags, reading->key, reading->value,
		                   err))
			return -1;
		reading->key[0] = reading->value[0] = '\0';
	}
	return 0;
}

/* Volumes have theirs, which are in nobody's metadata. */
static void end_tags(struct reading *reading)
{
	struct bl_ec2_template *found = &reading->found;

	if (!found->tags && !strcmp(reading->resource, "instance")) {
		found->tags = reading->tags;
		found->n_tags = reading->n_tags;
		reading->tags = NULL;
		reading->n_tags = 0;
	}
	bl_ec2_tags_done(&reading->tags, &reading->n_tags);
	reading->resource[0] = '\0';
}

static int on_tags(struct reading *reading, const char *at, const char *text, struct bl_err *err)
{
	const char *tag = bl_ec2_below(at, "tagSet/item");

	if (tag)
		return on_tag(reading, tag, text, err);
	if (!strcmp(at, "resourceType"))
		bl_ec2_words(text, reading->resource, sizeof(reading->resource));
	else if (!*at)
		end_tags(reading);
	return 0;
}

/* The first is the root's, as images for EC2 have it. */
static void on_volume(struct reading *reading, const char *at, const char *text)
{
	if (!strcmp(at, "ebs/volumeSize") && !reading->found.disk_gb)
		reading->found.disk_gb = bl_ec2_int(text);
}

static int on_data(struct reading *reading, const char *at, const char *text, struct bl_err *err)
{
	struct bl_ec2_template *found = &reading->found;
	const char *below = bl_ec2_below(at, "tagSpecificationSet/item");

	if (below)
		return on_tags(reading, below, text, err);
	below = bl_ec2_below(at, "blockDeviceMappingSet/item");
	if (below)
		on_volume(reading, below, text);
	below = bl_ec2_below(at, "iamInstanceProfile");
	if (below && (!strcmp(below, "arn") || !strcmp(below, "name")))
		return bl_ec2_text(text, found->profile, sizeof(found->profile), err);
	if (!strcmp(at, "imageId"))
		return bl_ec2_text(text, found->image, sizeof(found->image), err);
	if (!strcmp(at, "instanceInitiatedShutdownBehavior"))
		return bl_ec2_text(text, found->shutdown, sizeof(found->shutdown), err);
	if (!strcmp(at, "metadataOptions/httpTokens"))
		return bl_ec2_text(text, found->http_tokens, sizeof(found->http_tokens), err);
	if (!strcmp(at, "metadataOptions/instanceMetadataTags"))
		return bl_ec2_text(text, found->metadata_tags, sizeof(found->metadata_tags), err);
	if (!strcmp(at, "metadataOptions/httpPutResponseHopLimit"))
		found->hop_limit = bl_ec2_int(text);
	return 0;
}

static int on_template(void *arg, const char *path, const char *text, struct bl_err *err)
{
	struct reading *reading = arg;
	struct bl_ec2_template *found = &reading->found;
	const char *at = bl_ec2_below(path, TEMPLATE), *data;

	if (!at)
		return 0;
	data = bl_ec2_below(at, "launchTemplateData");
	if (data)
		return on_data(reading, data, text, err);
	if (!*at)
		reading->ended = true;
	else if (!strcmp(at, "launchTemplateId"))
		return bl_ec2_text(text, found->id, sizeof(found->id), err);
	else if (!strcmp(at, "launchTemplateName"))
		return bl_ec2_text(text, found->name, sizeof(found->name), err);
	else if (!strcmp(at, "versionNumber"))
		found->version = bl_ec2_int(text);
	return 0;
}

int bl_ec2_template_get(struct bl_aws *aws, const char *id, int64_t version,
                        struct bl_ec2_template *out, struct bl_err *err)
{
	__attribute__((cleanup(reading_done))) struct reading reading = { 0 };
	BL_AUTO(bl_buf) text = BL_BUF(4096);
	struct bl_ec2_form form = { .out = &text };
	char number[24];

	snprintf(number, sizeof(number), "%" PRId64, version);
	bl_ec2_begin(&form, "DescribeLaunchTemplateVersions");
	bl_ec2_add(&form, id, "LaunchTemplateId");
	bl_ec2_add(&form, number, "LaunchTemplateVersion.1");
	if (bl_ec2_pages(aws, "DescribeLaunchTemplateVersions", &text, on_template, &reading, err))
		return bl_wrap(err, "launch template %s, version %s", id, number);
	if (!reading.ended || strcmp(reading.found.id, id) != 0 || reading.found.version != version)
		return bl_fail(err, BL_ENOENT, "launch template %s has no version %s", id, number);
	*out = reading.found;
	reading.found = (struct bl_ec2_template){ 0 };
	return 0;
}

/* --- DescribeSubnets -------------------------------------------------------------------------- */

#define SUBNET "DescribeSubnetsResponse/subnetSet/item"

struct subnets {
	struct bl_ec2_subnet *items;
	size_t n;
	struct bl_ec2_subnet item;
};

static void subnets_done(struct subnets *subnets)
{
	free(subnets->items);
}

static int on_subnet(void *arg, const char *path, const char *text, struct bl_err *err)
{
	struct subnets *subnets = arg;
	struct bl_ec2_subnet *item = &subnets->item, *more;
	const char *at = bl_ec2_below(path, SUBNET);

	if (!at)
		return 0;
	if (!strcmp(at, "subnetId"))
		return bl_ec2_text(text, item->id, sizeof(item->id), err);
	if (!strcmp(at, "availabilityZone"))
		return bl_ec2_text(text, item->zone, sizeof(item->zone), err);
	if (!strcmp(at, "availableIpAddressCount"))
		item->free_addresses = bl_ec2_int(text);
	if (*at)
		return 0;
	more = bl_ec2_room(subnets->items, subnets->n, sizeof(*more), err);
	if (!more)
		return -1;
	subnets->items = more;
	more[subnets->n++] = *item;
	*item = (struct bl_ec2_subnet){ 0 };
	return 0;
}

int bl_ec2_subnets(struct bl_aws *aws, const char *const *ids, size_t n, struct bl_ec2_subnet **out,
                   size_t *n_out, struct bl_err *err)
{
	__attribute__((cleanup(subnets_done))) struct subnets subnets = { 0 };
	BL_AUTO(bl_buf) text = BL_BUF(BL_EC2_FORM_MAX);
	struct bl_ec2_form form = { .out = &text };

	bl_ec2_begin(&form, "DescribeSubnets");
	bl_ec2_add_each(&form, "SubnetId", ids, n);
	if (n && bl_ec2_pages(aws, "DescribeSubnets", &text, on_subnet, &subnets, err))
		return -1;
	*out = subnets.items;
	*n_out = subnets.n;
	subnets.items = NULL;
	return 0;
}
