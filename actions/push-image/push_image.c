/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/guarded.h"
#include "actions/push-image/push_options.h"
#include "actions/push-image/push_show.h"
#include "actions/verbs.h"
#include "actions/workflow.h"
#include "aws/ecr.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "run/image_base.h"
#include "run/image_login.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_bool stop;
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
	atomic_store(&stop, true);
}

/* After a failure, which ends what else is under way by the same flag. */
static void go_on(void)
{
	atomic_store(&stop, false);
	if (interrupted)
		atomic_store(&stop, true);
}

/* The first ends what is under way, tags stay as they are; the second ends at once. */
static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* --- What is pushed --------------------------------------------------------------------------- */

struct pushing {
	const struct push_options *opt;
	struct guarded guarded;
	struct bl_git_tree *tree;
	struct bl_git_commit commit;
	struct bl_config config;
	struct bl_logins *logins;
	char names[2][520]; /* those that logins are looked for */
	const char *name_list[2];
	size_t n_names;
	struct bl_place *target;
	struct bl_image_ref target_ref;
	struct bl_base base;
	struct bl_registry_counts counts;
	struct push_show show;
	struct bl_buf tags_text;
	const char *tags[PUSH_TAGS_MAX];
	size_t n_tags;
	char work[4096]; /* of a build; "": none */
	int64_t since_ms;
};

static int remove_work(struct pushing *pushing, struct bl_err *err)
{
	char *name = strrchr(pushing->work, '/');
	BL_FD dir = -1;
	int rc;

	if (!pushing->work[0])
		return 0;
	*name = '\0';
	rc = bl_fs_open_dir(pushing->work, &dir, err) || bl_fs_remove_tree(dir, name + 1, err);
	pushing->work[0] = '\0';
	return rc ? -1 : 0;
}

static void pushing_done(struct pushing *pushing)
{
	struct bl_err ignored = { 0 };

	if (remove_work(pushing, &ignored))
		bl_log_err(BL_LOG_DEBUG, &ignored);
	bl_base_done(&pushing->base);
	bl_place_close(pushing->target);
	bl_buf_done(&pushing->tags_text);
	bl_logins_close(pushing->logins);
	bl_config_done(&pushing->config);
	bl_git_tree_close(pushing->tree);
}

static int choose_commit(struct pushing *pushing, struct bl_err *err)
{
	const struct guarded *guarded = &pushing->guarded;
	const char *rev = pushing->opt->commit;

	if (!rev)
		rev = guarded->sha[0] ? guarded->sha : "HEAD";
	if (bl_git_tree_open(".", rev, &pushing->tree, &pushing->commit, err))
		return -1;
	if (guarded->is_pull_request && strcmp(pushing->commit.sha, guarded->sha) != 0) {
		bl_fail(err, BL_EDENIED, "commit %.12s is not the one that guard accepted (%.12s)",
		        pushing->commit.sha, guarded->sha);
		return bl_next(err, "leave out `commit`, or run guard again");
	}
	return 0;
}

/* "host/team/name" of what is an image in a registry: some have a login for it alone. */
static void name_login(struct pushing *pushing, const char *text)
{
	struct bl_err ignored = { 0 };
	struct bl_image_ref ref;
	size_t i = pushing->n_names;

	if (!text || !strncmp(text, "oci:", 4) || bl_image_ref_parse(text, &ref, &ignored))
		return;
	snprintf(pushing->names[i], sizeof(pushing->names[i]), "%s/%s", ref.registry,
	         ref.repository);
	pushing->name_list[i] = pushing->names[i];
	pushing->n_names++;
}

static int open_places(struct pushing *pushing, struct bl_place_options *places, struct bl_err *err)
{
	const struct push_options *opt = pushing->opt;
	struct bl_logins_options logins = {
		.aws = { .profile = opt->profile,
		         .region = opt->region,
		         .allow_http = opt->allow_http },
		.names = pushing->name_list,
	};

	name_login(pushing, opt->to);
	name_login(pushing, bl_config_text(&pushing->config, "image.base"));
	logins.n_names = pushing->n_names;
	if (bl_logins_open(&logins, &pushing->logins, err))
		return -1;
	*places = (struct bl_place_options){
		.login = bl_logins_get,
		.login_arg = pushing->logins,
		.allow_http = opt->allow_http,
		.counts = &pushing->counts,
		.stop = &stop,
		.create = true,
	};
	if (bl_place_open(opt->to, places, &pushing->target, &pushing->target_ref, err))
		return bl_wrap(err, "--to");
	places->create = false;
	places->near = pushing->target;
	if (pushing->target_ref.digest[0])
		return bl_fail(err, BL_EINPUT, "--to: a digest cannot be chosen");
	return push_options_tags(opt, pushing->target_ref.tag, &pushing->tags_text, pushing->tags,
	                         &pushing->n_tags, err);
}

/* Only a build needs it: made beside what else the job keeps for a while. */
static int make_work(struct pushing *pushing, struct bl_err *err)
{
	const char *dir = getenv("RUNNER_TEMP");

	if (!bl_config_has(&pushing->config, "image.dockerfile") &&
	    !bl_config_has(&pushing->config, "image.requirements"))
		return 0;
	if (!dir || !*dir)
		dir = getenv("TMPDIR");
	if ((size_t)snprintf(pushing->work, sizeof(pushing->work), "%s/branchline-build-XXXXXX",
	                     dir && *dir ? dir : "/tmp") >= sizeof(pushing->work))
		return bl_fail(err, BL_EINPUT, "TMPDIR is too long");
	if (mkdtemp(pushing->work))
		return 0;
	bl_fail_errno(err, errno, "'%.200s'", pushing->work);
	pushing->work[0] = '\0';
	return -1;
}

static int get_base(struct pushing *pushing, const struct bl_place_options *places,
                    struct bl_err *err)
{
	const struct push_options *opt = pushing->opt;

	if (make_work(pushing, err))
		return -1;
	return bl_base_get(
		&(struct bl_base_options){
			.tree = pushing->tree,
			.config = &pushing->config,
			.target = pushing->target,
			.places = places,
			.platform = opt->platform,
			.tool_version = BL_VERSION,
			.is_main = pushing->guarded.is_main,
			.work = pushing->work,
			.at_once = (unsigned)opt->at_once,
			.stop = &stop,
			.say = push_show_say,
			.progress = push_show_progress,
			.arg = &pushing->show,
		},
		&pushing->base, err);
}

/* --- Pushing ---------------------------------------------------------------------------------- */

static int push_once(struct pushing *pushing, struct bl_image *image, struct bl_err *err)
{
	const struct push_options *opt = pushing->opt;
	const struct bl_base *base = &pushing->base;
	return bl_image_push(
		&(struct bl_image_options){
			.tree = pushing->tree,
			.commit = &pushing->commit,
			.config = &pushing->config,
			.base = base->place,
			.target = pushing->target,
			.base_ref = &base->ref,
			.base_manifest = base->manifest.len ? &base->manifest : NULL,
			.base_desc = &base->desc,
			.base_from = base->hash[0] ? base->hash : NULL,
			.tags = pushing->tags,
			.n_tags = pushing->n_tags,
			.platform = opt->platform,
			.at_once = (unsigned)opt->at_once,
			.stop = &stop,
			.progress = push_show_progress,
			.arg = &pushing->show,
		},
		image, err);
}

/* ECR makes no repository by itself; where it may be made, once. */
static int create_repository(struct pushing *pushing, struct bl_err *err)
{
	struct bl_ecr_name name;
	struct bl_aws *aws;

	if (!pushing->opt->create || err->code != BL_ENOENT ||
	    !bl_image_ref_ecr(pushing->target_ref.registry, &name))
		return -1;
	bl_err_clear(err);
	go_on();
	push_show_say(&pushing->show, "the repository is missing: creating it");
	if (bl_logins_aws(pushing->logins, &aws, err))
		return -1;
	return bl_ecr_create(aws, name.region, name.account, pushing->target_ref.repository, err);
}

static int push_it(struct pushing *pushing, const struct bl_place_options *places,
                   struct bl_image *image, struct bl_err *err)
{
	int rc = get_base(pushing, places, err) || push_once(pushing, image, err) ? -1 : 0;

	if (rc && !create_repository(pushing, err)) {
		bl_base_done(&pushing->base);
		rc = remove_work(pushing, err) || get_base(pushing, places, err) ||
		                     push_once(pushing, image, err)
		             ? -1
		             : 0;
	}
	push_show_end(&pushing->show);
	return rc;
}

/* --- Telling ---------------------------------------------------------------------------------- */

static int write_outputs(const struct pushed *pushed, struct bl_err *err)
{
	char bytes[32], seconds[32];
	const struct workflow_pair pairs[] = {
		{ "image", pushed->name },
		{ "digest", pushed->image->digest },
		{ "base-digest", pushed->image->base_digest },
		{ "pushed-bytes", bytes },
		{ "seconds", seconds },
	};

	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)pushed->sent_bytes);
	snprintf(seconds, sizeof(seconds), "%.3f", pushed->seconds);
	return workflow_write(WORKFLOW_OUTPUT, pairs, BL_COUNT(pairs), err);
}

static int tell(const struct pushing *pushing, const struct bl_image *image, struct bl_err *err)
{
	BL_AUTO(bl_buf) name = BL_BUF(1024), base = BL_BUF(1024), text = BL_BUF(1u << 20);
	struct pushed pushed = {
		.image = image,
		.sha = pushing->commit.sha,
		.base_built = pushing->base.built,
		.requests = atomic_load(&pushing->counts.requests),
		/* over the wire, what had to be sent twice too */
		.sent_bytes = bl_place_is_registry(pushing->target)
		                      ? atomic_load(&pushing->counts.sent_bytes)
		                      : image->pushed_bytes,
		.seconds = (double)(bl_mono_ms() - pushing->since_ms) / 1000,
	};

	bl_place_add_name(pushing->target, &name);
	bl_buf_addf(&name, "@%s", image->digest);
	bl_place_add_name(pushing->base.place, &base);
	bl_buf_addf(&base, "@%s", image->base_digest);
	if (bl_buf_check(&name, "image", err) || bl_buf_check(&base, "base", err))
		return -1;
	pushed.name = bl_buf_text(&name);
	pushed.base = bl_buf_text(&base);
	push_show_line(&pushed, &text);
	bl_log(BL_LOG_INFO, "%s", bl_buf_text(&text));
	bl_buf_reset(&text);
	if (pushing->guarded.in_workflow) {
		push_show_table(&pushed, &text);
		if (write_outputs(&pushed, err) || workflow_summary(&text, err))
			return -1;
		bl_buf_reset(&text);
	}
	if (pushing->opt->json)
		push_show_json(&pushed, &text);
	if (bl_buf_check(&text, "summary", err))
		return -1;
	puts(pushing->opt->json ? bl_buf_text(&text) : pushed.name);
	return 0;
}

static int describe(struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(4096);

	if (bl_layer_describe_runner(NULL, &text, err))
		return bl_wrap(err, "push-image");
	puts(bl_buf_text(&text));
	return 0;
}

int verb_push_image(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_args) args = { 0 };
	BL_AUTO(bl_image) image = { 0 };
	struct push_options opt = { 0 };
	__attribute__((cleanup(pushing_done))) struct pushing pushing = { .opt = &opt,
		                                                          .tags_text =
		                                                                  BL_BUF(32768) };
	struct bl_place_options places;
	struct bl_found found = { 0 };

	if (bl_options_read(&push_usage, argc, argv, &opt, &args, err) || args.helped)
		return err->code ? -1 : 0;
	if (opt.describe)
		return describe(err);
	pushing.since_ms = bl_mono_ms();
	push_show_init(&pushing.show);
	catch_signals();
	if (push_options_check(&opt, err) || guarded_read(&pushing.guarded, err) ||
	    choose_commit(&pushing, err) ||
	    bl_options_config_at(".", pushing.commit.sha, opt.file, opt.job, &args, NULL,
	                         &pushing.config, &found, err) ||
	    open_places(&pushing, &places, err) || push_it(&pushing, &places, &image, err))
		return bl_wrap(err, "push-image");
	return tell(&pushing, &image, err);
}
