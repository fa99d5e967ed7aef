/* SPDX-License-Identifier: Apache-2.0 */
/* CreateFleet, Type=instant: one synchronous purchase over pools. */
#include "aws/ec2_parts.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPERATION "CreateFleet"
#define POOLS_MAX 300
#define TAGS_MAX 50
#define ERRORS_MAX 1000
#define CONFIG "LaunchTemplateConfigs.1."

/* --- The request ------------------------------------------------------------------------------ */

static void add_pools(struct bl_ec2_form *form, const struct bl_ec2_fleet_request *request)
{
	char version[24];

	snprintf(version, sizeof(version), "%" PRId64, request->template_version);
	bl_ec2_add(form, request->template_id,
	           CONFIG "LaunchTemplateSpecification.LaunchTemplateId");
	bl_ec2_add(form, version, CONFIG "LaunchTemplateSpecification.Version");
	for (size_t i = 0; i < request->n_pools; i++) {
		bl_ec2_add(form, request->pools[i].type, CONFIG "Overrides.%zu.InstanceType",
		           i + 1);
		bl_ec2_add(form, request->pools[i].subnet, CONFIG "Overrides.%zu.SubnetId", i + 1);
	}
}

static void add_tags(struct bl_ec2_form *form, unsigned number, const char *resource,
                     const struct bl_ec2_fleet_request *request)
{
	bl_ec2_add(form, resource, "TagSpecification.%u.ResourceType", number);
	for (size_t i = 0; i < request->n_tags; i++) {
		bl_ec2_add(form, request->tags[i].key, "TagSpecification.%u.Tag.%zu.Key", number,
		           i + 1);
		bl_ec2_add(form, request->tags[i].value, "TagSpecification.%u.Tag.%zu.Value",
		           number, i + 1);
	}
}

static void write_request(const struct bl_ec2_fleet_request *request, struct bl_ec2_form *form)
{
	const char *market = request->spot ? "spot" : "on-demand";

	bl_ec2_begin(form, OPERATION);
	bl_ec2_add(form, request->client_token, "ClientToken");
	bl_ec2_add(form, "instant", "Type"); /* the default, maintain, buys again by itself */
	/* no maximum price: it only makes interruptions more likely */
	if (request->spot)
		bl_ec2_add(form, "price-capacity-optimized", "SpotOptions.AllocationStrategy");
	else
		bl_ec2_add(form, "lowest-price", "OnDemandOptions.AllocationStrategy");
	bl_ec2_add(form, "1", "TargetCapacitySpecification.TotalTargetCapacity");
	bl_ec2_add(form, market, "TargetCapacitySpecification.DefaultTargetCapacityType");
	add_pools(form, request);
	if (!request->n_tags)
		return;
	/* an instant fleet takes no others: volumes' tags are the template's */
	add_tags(form, 1, "fleet", request);
	add_tags(form, 2, "instance", request);
}

void bl_ec2_fleet_text(const struct bl_ec2_fleet_request *request, struct bl_buf *out)
{
	struct bl_ec2_form form = { .out = out, .for_people = true };

	write_request(request, &form);
}

static int check(const struct bl_ec2_fleet_request *request, struct bl_err *err)
{
	size_t token_len = strlen(request->client_token);

	if (!token_len || token_len > 64)
		return bl_fail(err, BL_EBUG, OPERATION ": a client token of %zu bytes", token_len);
	if (!request->n_pools || request->n_pools > POOLS_MAX)
		return bl_fail(err, BL_EINPUT, OPERATION ": %zu pools; EC2 takes 1 to %d",
		               request->n_pools, POOLS_MAX);
	if (request->n_tags > TAGS_MAX)
		return bl_fail(err, BL_EINPUT, OPERATION ": %zu tags; EC2 takes %d",
		               request->n_tags, TAGS_MAX);
	return 0;
}

/* --- The reply -------------------------------------------------------------------------------- */

struct reading {
	struct bl_ec2_fleet fleet;
	struct bl_ec2_launched launched; /* the item under way */
	struct bl_ec2_fleet_error error;
	char ids[BL_EC2_LAUNCHED_MAX][BL_EC2_ID];
	size_t n_ids;
};

static void reading_done(struct reading *reading)
{
	bl_ec2_fleet_done(&reading->fleet);
}

void bl_ec2_fleet_done(struct bl_ec2_fleet *fleet)
{
	free(fleet->errors);
	*fleet = (struct bl_ec2_fleet){ 0 };
}

/* In an item of both lists; what it says itself outdoes what was asked. */
static int read_pool(const char *at, const char *text, char type[BL_EC2_TYPE],
                     char zone[BL_EC2_ZONE], char subnet[BL_EC2_ID], bool *spot, struct bl_err *err)
{
	const char *asked = bl_ec2_below(at, "launchTemplateAndOverrides/overrides");
	const char *name = asked ? asked : at;

	if (!*text)
		return 0;
	if (!strcmp(name, "instanceType"))
		return bl_ec2_text(text, type, BL_EC2_TYPE, err);
	if (!strcmp(name, "availabilityZone"))
		return bl_ec2_text(text, zone, BL_EC2_ZONE, err);
	if (!strcmp(name, "subnetId"))
		return bl_ec2_text(text, subnet, BL_EC2_ID, err);
	if (!strcmp(name, "lifecycle"))
		*spot = !strcmp(text, "spot");
	return 0;
}

static int end_launched(struct reading *reading, struct bl_err *err)
{
	struct bl_ec2_fleet *fleet = &reading->fleet;

	for (size_t i = 0; i < reading->n_ids; i++) {
		if (fleet->n_instances == BL_EC2_LAUNCHED_MAX)
			return bl_fail(err, BL_ELIMIT, OPERATION ": over %d instances for one",
			               BL_EC2_LAUNCHED_MAX);
		memcpy(reading->launched.id, reading->ids[i], BL_EC2_ID);
		fleet->instances[fleet->n_instances++] = reading->launched;
	}
	reading->launched = (struct bl_ec2_launched){ 0 };
	reading->n_ids = 0;
	return 0;
}

static int on_launched(struct reading *reading, const char *at, const char *text,
                       struct bl_err *err)
{
	struct bl_ec2_launched *launched = &reading->launched;

	if (!*at)
		return end_launched(reading, err);
	if (strcmp(at, "instanceIds/item") != 0)
		return read_pool(at, text, launched->type, launched->zone, launched->subnet,
		                 &launched->spot, err);
	if (reading->n_ids == BL_EC2_LAUNCHED_MAX)
		return bl_fail(err, BL_ELIMIT, OPERATION ": over %d instances for one",
		               BL_EC2_LAUNCHED_MAX);
	if (bl_ec2_text(text, reading->ids[reading->n_ids], BL_EC2_ID, err))
		return -1;
	reading->n_ids++;
	return 0;
}

static int end_error(struct reading *reading, struct bl_err *err)
{
	struct bl_ec2_fleet *fleet = &reading->fleet;
	struct bl_ec2_fleet_error *more;

	if (fleet->n_errors == ERRORS_MAX)
		return 0;
	more = bl_ec2_room(fleet->errors, fleet->n_errors, sizeof(*more), err);
	if (!more)
		return -1;
	reading->error.class = bl_ec2_classify(reading->error.code, true);
	fleet->errors = more;
	more[fleet->n_errors++] = reading->error;
	reading->error = (struct bl_ec2_fleet_error){ 0 };
	return 0;
}

static int on_error(struct reading *reading, const char *at, const char *text, struct bl_err *err)
{
	struct bl_ec2_fleet_error *error = &reading->error;

	if (!*at)
		return end_error(reading, err);
	if (!strcmp(at, "errorCode"))
		bl_ec2_words(text, error->code, sizeof(error->code));
	else if (!strcmp(at, "errorMessage"))
		bl_ec2_words(text, error->message, sizeof(error->message));
	else
		return read_pool(at, text, error->type, error->zone, error->subnet, &error->spot,
		                 err);
	return 0;
}

static int on_element(void *arg, const char *path, const char *text, struct bl_err *err)
{
	struct reading *reading = arg;
	const char *at;

	if (!strcmp(path, "CreateFleetResponse/fleetId"))
		return bl_ec2_text(text, reading->fleet.id, sizeof(reading->fleet.id), err);
	at = bl_ec2_below(path, "CreateFleetResponse/fleetInstanceSet/item");
	if (at)
		return on_launched(reading, at, text, err);
	at = bl_ec2_below(path, "CreateFleetResponse/errorSet/item");
	return at ? on_error(reading, at, text, err) : 0;
}

/* --- The call --------------------------------------------------------------------------------- */

static int refused(const char *code, struct bl_err *err)
{
	if (!strcmp(code, "IdempotentParameterMismatch"))
		return bl_recode(err, BL_EBUG);
	if (err->code == BL_ERETRY || err->code == BL_ETIMEOUT || !*code)
		return -1;
	switch (bl_ec2_classify(code, false)) {
	case BL_EC2_CAPACITY:
	case BL_EC2_QUOTA:
	case BL_EC2_SUBNET_FULL:
		return bl_recode(err, BL_ECAPACITY);
	case BL_EC2_CONFIG:
	case BL_EC2_NOT_OFFERED:
		return bl_recode(err, BL_EINPUT);
	case BL_EC2_DENIED:
		return bl_recode(err, BL_EDENIED);
	case BL_EC2_OTHER:
	case BL_EC2_THROTTLED:
		break;
	}
	return -1;
}

/*
 * A 200 that cannot be read is no answer, for something may have been bought: the same token brings
 * the same one again, and then the tags tell.
 */
static int read_reply(const struct bl_buf *body, struct bl_ec2_fleet *out, struct bl_err *err)
{
	__attribute__((cleanup(reading_done))) struct reading reading = { 0 };

	if (bl_xml_read(bl_buf_text(body), body->len, OPERATION, on_element, &reading, err))
		return err->code == BL_ENOMEM ? -1 : bl_recode(err, BL_ERETRY);
	if (!reading.fleet.id[0])
		return bl_fail(err, BL_ERETRY, OPERATION ": a reply without fleetId");
	*out = reading.fleet;
	reading.fleet = (struct bl_ec2_fleet){ 0 };
	return 0;
}

int bl_ec2_create_fleet(struct bl_aws *aws, const struct bl_ec2_fleet_request *request,
                        struct bl_ec2_fleet *out, char code[96], struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(BL_EC2_FORM_MAX);
	BL_AUTO(bl_aws_reply) reply = { 0 };
	struct bl_ec2_form form = { .out = &text };
	const struct bl_ec2_call call = { .operation = OPERATION,
		                          .form = &text,
		                          .deadline_ms = 60000, /* it asks every pool */
		                          .stop = request->stop };
	int rc;

	if (code)
		code[0] = '\0';
	if (check(request, err))
		return -1;
	write_request(request, &form);
	rc = bl_ec2_send(aws, &call, &reply, err);
	if (rc && code)
		memcpy(code, reply.code, sizeof(reply.code));
	return rc ? refused(reply.code, err) : read_reply(&reply.http.body, out, err);
}
