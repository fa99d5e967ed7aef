/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/ec2_parts.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEM "DescribeInstancesResponse/reservationSet/item/instancesSet/item"
#define PAGE "1000"

struct reading {
	struct bl_ec2_instances list;
	struct bl_ec2_instance item; /* under way */
	char key[256];               /* of the tag under way */
	char *value;
};

static void instance_done(struct bl_ec2_instance *instance)
{
	bl_ec2_tags_done(&instance->tags, &instance->n_tags);
}

void bl_ec2_instances_done(struct bl_ec2_instances *list)
{
	for (size_t i = 0; i < list->n; i++)
		instance_done(&list->items[i]);
	free(list->items);
	*list = (struct bl_ec2_instances){ 0 };
}

static void reading_done(struct reading *reading)
{
	instance_done(&reading->item);
	free(reading->value);
	bl_ec2_instances_done(&reading->list);
}

const char *bl_ec2_tag_of(const struct bl_ec2_instance *instance, const char *key)
{
	for (size_t i = 0; i < instance->n_tags; i++)
		if (!strcmp(instance->tags[i].key, key))
			return instance->tags[i].value;
	return NULL;
}

bool bl_ec2_is_live(const struct bl_ec2_instance *instance)
{
	return strcmp(instance->state, "terminated") != 0 &&
	       strcmp(instance->state, "shutting-down") != 0;
}

static int end_tag(struct reading *reading, struct bl_err *err)
{
	int rc = 0;

	if (reading->key[0])
		rc = bl_ec2_add_tag(&reading->item.tags, &reading->item.n_tags, reading->key,
		                    reading->value ? reading->value : "", err);
	reading->key[0] = '\0';
	free(reading->value);
	reading->value = NULL;
	return rc;
}

static int on_tag(struct reading *reading, const char *at, const char *text, struct bl_err *err)
{
	if (!*at)
		return end_tag(reading, err);
	if (!strcmp(at, "key"))
		snprintf(reading->key, sizeof(reading->key), "%s", text);
	if (strcmp(at, "value") != 0 || reading->value)
		return 0;
	reading->value = strdup(text);
	return reading->value ? 0 : bl_fail(err, BL_ENOMEM, "out of memory");
}

static int end_instance(struct reading *reading, struct bl_err *err)
{
	struct bl_ec2_instances *list = &reading->list;
	struct bl_ec2_instance *more = bl_ec2_room(list->items, list->n, sizeof(*more), err);

	if (!more)
		return -1;
	list->items = more;
	if (!reading->item.id[0] || !reading->item.state[0])
		return bl_fail(err, BL_ECORRUPT, "an instance without id or state");
	more[list->n++] = reading->item;
	reading->item = (struct bl_ec2_instance){ 0 };
	return 0;
}

static int on_instance(struct reading *reading, const char *at, const char *text,
                       struct bl_err *err)
{
	struct bl_ec2_instance *item = &reading->item;

	if (!strcmp(at, "instanceId"))
		return bl_ec2_text(text, item->id, sizeof(item->id), err);
	if (!strcmp(at, "instanceType"))
		return bl_ec2_text(text, item->type, sizeof(item->type), err);
	if (!strcmp(at, "placement/availabilityZone"))
		return bl_ec2_text(text, item->zone, sizeof(item->zone), err);
	if (!strcmp(at, "subnetId"))
		return bl_ec2_text(text, item->subnet, sizeof(item->subnet), err);
	if (!strcmp(at, "instanceState/name"))
		return bl_ec2_text(text, item->state, sizeof(item->state), err);
	if (!strcmp(at, "clientToken"))
		return bl_ec2_text(text, item->token, sizeof(item->token), err);
	if (!strcmp(at, "stateReason/code"))
		bl_ec2_words(text, item->reason, sizeof(item->reason));
	else if (!strcmp(at, "stateReason/message"))
		bl_ec2_words(text, item->reason_text, sizeof(item->reason_text));
	else if (!strcmp(at, "instanceLifecycle"))
		item->spot = !strcmp(text, "spot");
	else if (!strcmp(at, "launchTime"))
		(void)bl_utc_parse(text, &item->launched_ms);
	return 0;
}

static int on_element(void *arg, const char *path, const char *text, struct bl_err *err)
{
	struct reading *reading = arg;
	const char *at = bl_ec2_below(path, ITEM), *tag;

	if (!at)
		return 0;
	if (!*at)
		return end_instance(reading, err);
	tag = bl_ec2_below(at, "tagSet/item");
	return tag ? on_tag(reading, tag, text, err) : on_instance(reading, at, text, err);
}

int bl_ec2_describe(struct bl_aws *aws, const char *const *ids, size_t n_ids,
                    const struct bl_ec2_filter *filters, size_t n_filters,
                    struct bl_ec2_instances *out, struct bl_err *err)
{
	__attribute__((cleanup(reading_done))) struct reading reading = { 0 };
	BL_AUTO(bl_buf) text = BL_BUF(BL_EC2_FORM_MAX);
	struct bl_ec2_form form = { .out = &text };

	bl_ec2_begin(&form, "DescribeInstances");
	bl_ec2_add_each(&form, "InstanceId", ids, ids ? n_ids : 0);
	for (size_t i = 0; i < n_filters; i++)
		bl_ec2_add_filter(&form, (unsigned)i + 1, filters[i].name, filters[i].values);
	if (!ids) /* EC2 takes ids or a page's size */
		bl_ec2_add(&form, PAGE, "MaxResults");
	if (bl_ec2_pages(aws, "DescribeInstances", &text, on_element, &reading, err))
		return -1;
	*out = reading.list;
	reading.list = (struct bl_ec2_instances){ 0 };
	return 0;
}
