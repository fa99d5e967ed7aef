/* SPDX-License-Identifier: Apache-2.0 */
#include "run/compute_parts.h"

#include "base/clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 100 /* how soon a signal is noticed */

struct bl_compute {
	const struct bl_compute_ops *ops;
	void *self;
};

int bl_compute_new(const struct bl_compute_ops *ops, void *self, struct bl_compute **out,
                   struct bl_err *err)
{
	struct bl_compute *compute = malloc(sizeof(*compute));

	if (!compute)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	*compute = (struct bl_compute){ .ops = ops, .self = self };
	*out = compute;
	return 0;
}

int bl_compute_open(const struct bl_compute_options *options, struct bl_compute **out,
                    struct bl_err *err)
{
	bool is_local = !strcmp(options->name, "local");
	const struct bl_compute_ops *ops = is_local ? &bl_compute_local : &bl_compute_ec2;
	void *self;

	if (!is_local && strcmp(options->name, "ec2") != 0) {
		bl_fail(err, BL_EINPUT, "--compute %.40s: no such engine", options->name);
		return bl_next(err, "use ec2 or local");
	}
	if (is_local ? bl_compute_local_open(options, &self, err)
	             : bl_compute_ec2_open(options, &self, err))
		return -1;
	if (!bl_compute_new(ops, self, out, err))
		return 0;
	ops->close(self);
	return -1;
}

void bl_compute_close(struct bl_compute *compute)
{
	if (!compute)
		return;
	compute->ops->close(compute->self);
	free(compute);
}

void bl_compute_auto(struct bl_compute **compute)
{
	bl_compute_close(*compute);
}

int bl_compute_start(struct bl_compute *compute, const struct bl_start *what,
                     struct bl_started *out, struct bl_err *err)
{
	if (compute->ops->start(compute->self, what, out, err))
		return bl_wrap(err, "start attempt %u of run %s", what->attempt, what->run->id);
	return 0;
}

int bl_compute_probe(struct bl_compute *compute, const struct bl_run *run,
                     const struct bl_attempts *attempts, struct bl_probe *out, struct bl_err *err)
{
	if (compute->ops->probe(compute->self, run, attempts, out, err))
		return bl_wrap(err, "look after attempt %u of run %s", attempts->newest, run->id);
	return 0;
}

int bl_compute_end(struct bl_compute *compute, const struct bl_end_scope *scope,
                   struct bl_ended_boxes *out, struct bl_err *err)
{
	const char *run = scope->run && *scope->run ? scope->run : NULL;

	if (compute->ops->end(compute->self, scope, out, err))
		return bl_wrap(err, "end the boxes of %s%s", run ? "run " : "what was asked",
		               run ? run : "");
	return 0;
}

int bl_compute_console(struct bl_compute *compute, const struct bl_started *started,
                       struct bl_buf *out, struct bl_err *err)
{
	return compute->ops->console(compute->self, started, out, err);
}

bool bl_compute_pause(int64_t ms, const volatile int *stop)
{
	int64_t end_ms = bl_mono_ms() + ms;

	while (!stop || !*stop) {
		int64_t left = end_ms - bl_mono_ms();

		if (left <= 0)
			return true;
		(void)poll(NULL, 0, left < LOOK_MS ? (int)left : LOOK_MS);
	}
	return false;
}

/* --- Why an instance ended -------------------------------------------------------------------- */

static const struct {
	const char *code;
	enum bl_class class;
	const char *means, *next;
} reasons[] = {
	{ "Server.SpotInstanceTermination", BL_CLASS_INTERRUPTED, "EC2 took the spot instance back",
	  "it goes on from its newest checkpoint; market: on-demand is not interrupted" },
	{ "Server.SpotInstanceShutdown", BL_CLASS_INTERRUPTED, "EC2 took the spot instance back",
	  "it goes on from its newest checkpoint; market: on-demand is not interrupted" },
	{ "Server.InsufficientInstanceCapacity", BL_CLASS_CAPACITY,
	  "EC2 had no capacity for the instance after all",
	  "it is tried again; more instance_types or zones help" },
	{ "Server.InternalError", BL_CLASS_LOST, "the instance failed inside EC2",
	  "it is tried again" },
	{ "Client.InstanceInitiatedShutdown", BL_CLASS_BOOT,
	  "the instance switched itself off before its host program wrote an end",
	  "read the console's output below: user data says there what failed" },
	{ "Client.UserInitiatedShutdown", BL_CLASS_CANCELLED, "somebody ended the instance",
	  "--resume starts a new run from its newest checkpoint" },
	{ "Client.VolumeLimitExceeded", BL_CLASS_CONFIG,
	  "the account's limit of EBS storage is used up",
	  "ask for more in Service Quotas, EBS, or set a smaller disk_gb" },
	{ "Client.InvalidSnapshot.NotFound", BL_CLASS_CONFIG, "the image's snapshot is gone",
	  "apply the Terraform module again: the launch template's image is gone" },
	{ "Client.InternalError", BL_CLASS_CONFIG, "the instance could not start",
	  "mostly its disk's key: let the launch role use the KMS key of EBS volumes" },
};

struct bl_result bl_compute_gone(const char *code, const char *message)
{
	struct bl_result result = { .class = BL_CLASS_LOST, .stage = "box", .exit_code = -1 };
	const char *means = "the instance is gone", *next = "it is tried again";

	for (size_t i = 0; i < BL_COUNT(reasons); i++) {
		if (strcmp(reasons[i].code, code) != 0)
			continue;
		result.class = reasons[i].class;
		means = reasons[i].means;
		next = reasons[i].next;
	}
	result.status = bl_class_status(result.class);
	snprintf(result.message, sizeof(result.message), "%s%s%s%s", means, *code ? " (" : "",
	         *message ? message : code, *code ? ")" : "");
	snprintf(result.next_step, sizeof(result.next_step), "%s", next);
	return result;
}
