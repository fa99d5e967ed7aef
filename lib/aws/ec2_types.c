/* SPDX-License-Identifier: Apache-2.0 */
/* What can be bought: types and what they are made of, and where they are offered. */
#include "aws/ec2_parts.h"

#include <stdlib.h>
#include <string.h>

/* --- DescribeInstanceTypes -------------------------------------------------------------------- */

#define TYPE "DescribeInstanceTypesResponse/instanceTypeSet/item"

struct types {
	struct bl_ec2_type *items;
	size_t n;
	struct bl_ec2_type item; /* under way */
};

static void types_done(struct types *types)
{
	free(types->items);
}

static int end_type(struct types *types, struct bl_err *err)
{
	struct bl_ec2_type *more = bl_ec2_room(types->items, types->n, sizeof(*more), err);

	if (!more)
		return -1;
	types->items = more;
	more[types->n++] = types->item;
	types->item = (struct bl_ec2_type){ 0 };
	return 0;
}

static void on_gpu(struct bl_ec2_type *item, const char *at, const char *text)
{
	if (!strcmp(at, "name"))
		bl_ec2_words(text, item->gpu, sizeof(item->gpu));
	else if (!strcmp(at, "manufacturer"))
		bl_ec2_words(text, item->gpu_maker, sizeof(item->gpu_maker));
	else if (!strcmp(at, "count"))
		item->gpus += bl_ec2_int(text);
	else if (!strcmp(at, "memoryInfo/sizeInMiB"))
		item->gpu_memory_mib = bl_ec2_int(text);
}

/* Mac and others have several: ours are these two. */
static void on_arch(struct bl_ec2_type *item, const char *text)
{
	if (!item->arch[0] && (!strcmp(text, "x86_64") || !strcmp(text, "arm64")))
		bl_ec2_words(text, item->arch, sizeof(item->arch));
}

static void on_usage(struct bl_ec2_type *item, const char *text)
{
	if (!strcmp(text, "spot"))
		item->spot = true;
	else if (!strcmp(text, "on-demand"))
		item->on_demand = true;
}

static int on_type(void *arg, const char *path, const char *text, struct bl_err *err)
{
	struct types *types = arg;
	struct bl_ec2_type *item = &types->item;
	const char *at = bl_ec2_below(path, TYPE), *gpu;

	if (!at)
		return 0;
	if (!*at)
		return end_type(types, err);
	gpu = bl_ec2_below(at, "gpuInfo/gpus/item");
	if (gpu)
		on_gpu(item, gpu, text);
	else if (!strcmp(at, "instanceType"))
		return bl_ec2_text(text, item->name, sizeof(item->name), err);
	else if (!strcmp(at, "supportedUsageClasses/item"))
		on_usage(item, text);
	else if (!strcmp(at, "processorInfo/supportedArchitectures/item"))
		on_arch(item, text);
	else if (!strcmp(at, "vCpuInfo/defaultVCpus"))
		item->vcpus = bl_ec2_int(text);
	else if (!strcmp(at, "memoryInfo/sizeInMiB"))
		item->memory_mib = bl_ec2_int(text);
	else if (!strcmp(at, "instanceStorageInfo/totalSizeInGB"))
		item->disk_gb = bl_ec2_int(text);
	return 0;
}

int bl_ec2_types(struct bl_aws *aws, const char *const *names, size_t n, struct bl_ec2_type **out,
                 size_t *n_out, struct bl_err *err)
{
	__attribute__((cleanup(types_done))) struct types types = { 0 };
	BL_AUTO(bl_buf) text = BL_BUF(BL_EC2_FORM_MAX);
	struct bl_ec2_form form = { .out = &text };

	bl_ec2_begin(&form, "DescribeInstanceTypes");
	/* as a filter: one name that this region does not have would refuse them all */
	bl_ec2_add_filter_each(&form, 1, "instance-type", names, n);
	if (n && bl_ec2_pages(aws, "DescribeInstanceTypes", &text, on_type, &types, err))
		return -1;
	*out = types.items;
	*n_out = types.n;
	types.items = NULL;
	return 0;
}

/* --- DescribeInstanceTypeOfferings ------------------------------------------------------------ */

#define OFFER "DescribeInstanceTypeOfferingsResponse/instanceTypeOfferingSet/item"

struct offers {
	struct bl_ec2_offer *items;
	size_t n;
	struct bl_ec2_offer item;
};

static void offers_done(struct offers *offers)
{
	free(offers->items);
}

static int on_offer(void *arg, const char *path, const char *text, struct bl_err *err)
{
	struct offers *offers = arg;
	const char *at = bl_ec2_below(path, OFFER);
	struct bl_ec2_offer *more;

	if (!at)
		return 0;
	if (!strcmp(at, "instanceType"))
		return bl_ec2_text(text, offers->item.type, sizeof(offers->item.type), err);
	if (!strcmp(at, "location"))
		return bl_ec2_text(text, offers->item.zone, sizeof(offers->item.zone), err);
	if (*at)
		return 0;
	more = bl_ec2_room(offers->items, offers->n, sizeof(*more), err);
	if (!more)
		return -1;
	offers->items = more;
	more[offers->n++] = offers->item;
	offers->item = (struct bl_ec2_offer){ 0 };
	return 0;
}

int bl_ec2_offers(struct bl_aws *aws, const char *const *types, size_t n, struct bl_ec2_offer **out,
                  size_t *n_out, struct bl_err *err)
{
	__attribute__((cleanup(offers_done))) struct offers offers = { 0 };
	BL_AUTO(bl_buf) text = BL_BUF(BL_EC2_FORM_MAX);
	struct bl_ec2_form form = { .out = &text };

	bl_ec2_begin(&form, "DescribeInstanceTypeOfferings");
	bl_ec2_add(&form, "availability-zone", "LocationType");
	bl_ec2_add_filter_each(&form, 1, "instance-type", types, n);
	if (n && bl_ec2_pages(aws, "DescribeInstanceTypeOfferings", &text, on_offer, &offers, err))
		return -1;
	*out = offers.items;
	*n_out = offers.n;
	offers.items = NULL;
	return 0;
}
