/* SPDX-License-Identifier: Apache-2.0 */
/* What is launched: the event, the commit, its configuration, the stack. */
#include "actions/launch/launching.h"
#include "codec/git_pushed.h"
#include "net/github.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A commit that was pushed after the label was set has not been looked at (facts aws, H04). */
static int check_pull(const struct guarded *guarded, struct bl_err *err)
{
	const struct bl_github_options options = { 0 };
	struct bl_github_pull pull;
	BL_GITHUB github = NULL;

	if (bl_github_open(&options, &github, err) ||
	    bl_github_pull_get(github, guarded->pr, &pull, err))
		return bl_wrap(err, "is the commit still the one that was labelled");
	if (!pull.open) {
		bl_fail(err, BL_EDENIED, "pull request %" PRId64 " was closed meanwhile",
		        guarded->pr);
		return bl_next(err, "open it again and set the label anew");
	}
	if (!strcmp(pull.head_sha, guarded->sha))
		return 0;
	bl_fail(err, BL_EDENIED,
	        "pull request %" PRId64 " moved from %.12s to %.12s since the label was set",
	        guarded->pr, guarded->sha, pull.head_sha);
	return bl_next(err, "look at the new commit, then set the label again");
}

/* The branch that the commit is on, for people, `latest` and the index of baselines. */
static void name_branch(struct launching *launching)
{
	static const char heads[] = "refs/heads/";
	const char *ref = getenv("GITHUB_REF"), *name = launching->commit.branch;

	if (launching->guarded.head_ref[0])
		name = launching->guarded.head_ref;
	else if (launching->guarded.in_workflow && ref && !strncmp(ref, heads, strlen(heads)))
		name = ref + strlen(heads);
	snprintf(launching->git.branch, sizeof(launching->git.branch), "%s", name);
}

/* A person may not know that what lies around is not trained, nor found by others later. */
static int note_around(struct launching *launching, struct bl_err *err)
{
	const struct bl_git *git = &launching->git;
	bool pushed;

	if (git->dirty)
		bl_buf_adds(
			&launching->notes,
			"there are changes that are not committed, and a run trains the commit "
			"without them: `git commit` and `git push` them, or `branchline local`\n");
	if (bl_git_is_pushed(git->root, launching->commit.sha, &pushed, err))
		return -1;
	if (!pushed)
		bl_buf_addf(
			&launching->notes,
			"commit %.12s is on no remote branch: `git push` it, so that others can "
			"look at what was trained\n",
			launching->commit.sha);
	return 0;
}

static int no_commit(struct bl_err *err)
{
	bl_fail(err, BL_EINPUT, "there is no commit here to train");
	return bl_next(err, "commit " BL_CONFIG_FILE " and what it trains with, and push it");
}

static int read_commit(struct launching *launching, struct bl_err *err)
{
	const struct guarded *guarded = &launching->guarded;
	const char *rev = launching->opt->commit;
	BL_GIT_TREE tree = NULL;

	if (!rev)
		rev = guarded->sha[0] ? guarded->sha : "HEAD";
	if (bl_git_read(".", &launching->git, err))
		return -1;
	if (launching->git.found && !launching->git.sha[0])
		return no_commit(err);
	if (bl_git_tree_open(".", rev, &tree, &launching->commit, err) ||
	    (!guarded->in_workflow && note_around(launching, err)))
		return -1;
	if (guarded->is_pull_request && strcmp(launching->commit.sha, guarded->sha) != 0) {
		bl_fail(err, BL_EDENIED, "commit %.12s is not the one that guard accepted (%.12s)",
		        launching->commit.sha, guarded->sha);
		return bl_next(err, "leave out `commit`, or run guard again");
	}
	if (strcmp(launching->git.sha, launching->commit.sha) != 0)
		launching->git.subject[0] = '\0';
	memcpy(launching->git.sha, launching->commit.sha, sizeof(launching->git.sha));
	memcpy(launching->git.tree, launching->commit.tree, sizeof(launching->git.tree));
	launching->git.dirty = false; /* the commit is what trains, whatever lies around it */
	name_branch(launching);
	return 0;
}

int phase_event(struct launching *launching, struct bl_buf *said, struct bl_err *err)
{
	struct guarded *guarded = &launching->guarded;

	if (guarded_read(guarded, err))
		return -1;
	if (guarded->is_pull_request && check_pull(guarded, err))
		return -1;
	launching->job = launching->opt->job;
	if (!launching->job && guarded->job[0])
		launching->job = guarded->job;
	if (read_commit(launching, err))
		return -1;
	bl_buf_addf(said, "%.12s", launching->commit.sha);
	if (launching->git.branch[0])
		bl_buf_addf(said, " of %.100s", launching->git.branch);
	if (guarded->pr)
		bl_buf_addf(said, ", pull request %" PRId64, guarded->pr);
	if (guarded->labeller[0])
		bl_buf_addf(said, ", labelled by %s", guarded->labeller);
	return 0;
}

/* --- The configuration ------------------------------------------------------------------------ */

static int resolve(struct launching *launching, const struct bl_value *ceilings, struct bl_err *err)
{
	const struct launch_options *opt = launching->opt;
	struct bl_found found = { 0 };
	const struct bl_value *command;

	bl_config_done(&launching->config);
	if (bl_options_config_at(".", launching->commit.sha, opt->file, launching->job,
	                         launching->args, ceilings, &launching->config, &found, err))
		return -1;
	command = bl_config_value(&launching->config, "command");
	if (command && command->type != BL_NULL)
		return 0;
	bl_fail(err, BL_EINPUT, "%s: no command: nothing to train", found.path);
	return bl_next(err, "set `command` in " BL_CONFIG_FILE " and commit it");
}

int phase_config(struct launching *launching, struct bl_buf *said, struct bl_err *err)
{
	if (resolve(launching, NULL, err))
		return -1;
	bl_buf_addf(said, "job %s", launching->config.job);
	if (launching->config.overrides && launching->config.overrides->n)
		bl_buf_addf(said, ", %zu value%s not the file's", launching->config.overrides->n,
		            launching->config.overrides->n == 1 ? "" : "s");
	return 0;
}

static int check_local(const struct launching *launching, struct bl_err *err)
{
	const struct bl_git *here = &launching->cloud.git;

	if (!strcmp(here->sha, launching->commit.sha) && !here->dirty)
		return 0;
	bl_fail(err, BL_EINPUT, "--compute local trains what is checked out: %s",
	        here->dirty ? "the work tree has changes" : "another commit");
	return bl_next(err, "check out %.12s without changes, or use `branchline local`",
	               launching->commit.sha);
}

int phase_stack(struct launching *launching, struct bl_buf *said, struct bl_err *err)
{
	struct cloud_options options = launching->opt->cloud;
	struct cloud *cloud = &launching->cloud;

	options.config = &launching->config;
	if (cloud_open(cloud, &options, launching->is_plan ? BL_STORE_READ : BL_STORE_WRITE, err))
		return -1;
	if (launching->is_local && check_local(launching, err))
		return -1;
	if (!launching->is_local && !bl_store_is_remote(bl_store_uri(cloud->store))) {
		bl_fail(err, BL_EINPUT, "store %.200s is not in reach of a machine in the cloud",
		        bl_store_uri(cloud->store));
		return bl_next(err,
		               "leave `store` out for the stack's own bucket, or name s3://BUCKET");
	}
	/* once more, now that the ceilings are known */
	if (cloud->has_stack && resolve(launching, cloud->stack.ceilings, err))
		return -1;
	if (bl_market_parse(bl_config_text(&launching->config, "market"), &launching->market, err))
		return -1;
	if (cloud->has_stack)
		bl_buf_addf(said, "%s in %s, ", cloud->stack.name, cloud->stack.region);
	bl_buf_addf(said, "store %.200s", bl_store_uri(cloud->store));
	return 0;
}
