/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/compute_drive.h"

#include "aws/client.h"
#include "run/compute.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEMPLATE "lt-0aa11bb22cc33dd44"
#define ZONES 3

static volatile int stop;

static void on_signal(int signum)
{
	stop = signum;
}

static const char *setting(char **argv, const char *name, const char *fallback)
{
	size_t len = strlen(name);

	for (; *argv; argv++)
		if (!strncmp(*argv, name, len) && (*argv)[len] == '=')
			return *argv + len + 1;
	return fallback;
}

static void say(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "%s\n", line);
}

/* The types' pools in each zone; where a subnet is in its name. */
static size_t pools_of(const char *types, double usd, struct bl_purchase_pool *pools, size_t max)
{
	static const char *const subnets[ZONES] = { "subnet-0aaaaaaaaaaaaaaa1",
		                                    "subnet-0bbbbbbbbbbbbbbb2",
		                                    "subnet-0ccccccccccccccc3" };
	size_t n = 0;

	for (size_t len; *types; types += len + (types[len] == ',')) {
		len = strcspn(types, ",");
		for (int zone = 0; zone < ZONES && n < max; zone++) {
			struct bl_purchase_pool *pool = &pools[n++];

			*pool = (struct bl_purchase_pool){ .usd_hour = usd,
				                           .on_demand_usd_hour = 1 };
			snprintf(pool->type, sizeof(pool->type), "%.*s", (int)len, types);
			snprintf(pool->subnet, sizeof(pool->subnet), "%s", subnets[zone]);
			snprintf(pool->zone, sizeof(pool->zone), "us-east-1%c", 'a' + zone);
		}
	}
	return n;
}

static int start(struct bl_compute *compute, struct bl_store *store, const struct bl_run *run,
                 unsigned attempt, char **more, struct bl_err *err)
{
	const char *market = setting(more, "market", "both");
	const char *types = setting(more, "types", "g6.xlarge,g5.xlarge");
	struct bl_purchase_pool pools[2][60];
	struct bl_purchase purchases[2] = { { .spot = true }, { .spot = false } };
	enum bl_class lack = BL_CLASS_NONE;
	struct bl_started out;
	struct bl_start what = {
		.store = store,
		.run = run,
		.attempt = attempt,
		.purchases = strcmp(market, "on-demand") ? purchases : purchases + 1,
		.n_purchases = strcmp(market, "both") ? 1 : 2,
		.disk_usd_hour = 0.01,
		.deadline_ms = 1795651200000,
		.spec_sha256 = "5e0c",
		.host_sha256 = "405f",
		.launch_key = "key1",
		.say = say,
		.stop = &stop,
		.lack = &lack,
	};

	for (int i = 0; i < 2; i++) {
		purchases[i].template_id = TEMPLATE;
		purchases[i].template_version = 3;
		purchases[i].pools = pools[i];
		purchases[i].n_pools = pools_of(types, i ? 1 : 0.4, pools[i], 60);
	}
	if (bl_compute_start(compute, &what, &out, err)) {
		printf("failed %d %s %s | %s\n", err->code, bl_class_word(lack), err->text,
		       err->next);
		return 1;
	}
	printf("ok %s %s %s %s %g %g %lld\n", out.instance[0] ? out.instance : out.engine,
	       out.type[0] ? out.type : "-", out.zone[0] ? out.zone : "-",
	       out.market[0] ? out.market : "-", out.usd_hour, out.disk_usd_hour,
	       (long long)out.pid);
	return 0;
}

static int probe(struct bl_compute *compute, struct bl_store *store, const struct bl_run *run,
                 struct bl_err *err)
{
	static const char *const words[] = { "alive", "dead", "unknown" };
	struct bl_attempts attempts;
	struct bl_probe out;

	if (bl_attempts_read(store, run->id, &attempts, err) ||
	    bl_compute_probe(compute, run, &attempts, &out, err))
		return -1;
	printf("ok %s %s %s %s %s\n", words[out.owner], out.instance[0] ? out.instance : "-",
	       out.state[0] ? out.state : "-",
	       out.owner == BL_DEAD ? bl_class_word(out.gone.class) : "-",
	       out.owner == BL_DEAD ? out.gone.message : "");
	return 0;
}

static int end(struct bl_compute *compute, const struct bl_run *run, unsigned attempt, char **more,
               struct bl_err *err)
{
	const char *instance = setting(more, "instance", NULL), *pr = setting(more, "pr", NULL);
	struct bl_end_scope scope = { .run = pr ? NULL : run->id,
		                      .attempt = pr ? 0 : attempt,
		                      .repository = pr ? run->repository_key : NULL,
		                      .pr = pr ? strtol(pr, NULL, 10) : 0,
		                      .instance = instance,
		                      .look_ms =
		                              (int)strtol(setting(more, "look", "0"), NULL, 10) };
	struct bl_ended_boxes out;

	if (bl_compute_end(compute, &scope, &out, err))
		return -1;
	printf("ok %zu", out.n);
	for (size_t i = 0; i < BL_COUNT(out.runs) && out.runs[i][0]; i++)
		printf(" %s", out.runs[i]);
	printf("\n");
	return 0;
}

static int console(struct bl_compute *compute, const char *instance, struct bl_err *err)
{
	BL_AUTO(bl_buf) out = BL_BUF(1 << 20);
	struct bl_started started;

	bl_started_init(&started);
	snprintf(started.instance, sizeof(started.instance), "%s", instance);
	if (bl_compute_console(compute, &started, &out, err))
		return -1;
	printf("ok %s\n", bl_buf_text(&out));
	return 0;
}

static int drive(char **argv, struct bl_err *err)
{
	const struct bl_aws_options options = { 0 };
	const char *verb = argv[0], *engine = setting(argv + 4, "engine", "ec2");
	unsigned attempt = (unsigned)strtoul(argv[3], NULL, 10);
	BL_AUTO(bl_run) run = { 0 };
	BL_STORE store = NULL;
	BL_AWS aws = NULL;
	BL_COMPUTE compute = NULL;
	struct bl_compute_options how = { .name = engine,
		                          .stack = "branchline",
		                          .runner = setting(argv + 4, "runner", NULL),
		                          .cwd = setting(argv + 4, "cwd", NULL) };

	if (bl_store_open(argv[1], BL_STORE_WRITE, &store, err) ||
	    bl_run_read(store, argv[2], &run, err) ||
	    (!strcmp(engine, "ec2") && bl_aws_open(&options, &aws, err)))
		return -1;
	how.aws = aws;
	how.store = store;
	if (bl_compute_open(&how, &compute, err))
		return -1;
	if (!strcmp(verb, "start"))
		return start(compute, store, &run, attempt, argv + 4, err);
	if (!strcmp(verb, "probe"))
		return probe(compute, store, &run, err);
	if (!strcmp(verb, "end"))
		return end(compute, &run, attempt, argv + 4, err);
	return console(compute, setting(argv + 4, "instance", ""), err);
}

int compute_drive(int argc, char **argv)
{
	struct bl_err err = { 0 };
	int rc;

	if (argc < 6)
		return 70;
	signal(SIGTERM, on_signal);
	rc = drive(argv + 2, &err);
	if (rc < 0)
		printf("failed %d - %s | %s\n", err.code, err.text, err.next);
	return rc ? 1 : 0;
}
