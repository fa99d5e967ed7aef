/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cli/doctor.h"
#include "aws/iam.h"
#include "base/fs.h"
#include "base/str.h"
#include "codec/git_remote.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "net/github.h"
#include "net/url.h"
#include "run/doctor_judge.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKFLOW_MAX ((size_t)512 << 10)

/* --- Which repository ------------------------------------------------------------------------- */

/* "owner/name" of origin, where it is GitHub's; "" else. GITHUB_REPOSITORY wins. */
static void repository_of(const struct doctor *doctor, char name[256])
{
	const char *told = getenv("GITHUB_REPOSITORY");
	BL_AUTO(bl_buf) whole = BL_BUF(600);
	const char *slash;

	name[0] = '\0';
	if (told && *told)
		snprintf(name, 256, "%s", told);
	else if (bl_remote_add_name(&whole, doctor->git.remote) &&
	         (slash = strchr(bl_buf_text(&whole), '/')) && strchr(slash + 1, '/'))
		snprintf(name, 256, "%s", slash + 1);
}

static int ask(struct bl_github *github, struct bl_value **out, struct bl_err *err, const char *fmt,
               const char *name)
{
	BL_AUTO(bl_buf) path = BL_BUF(1024), encoded = BL_BUF(512);

	bl_uri_add(&encoded, name, strlen(name));
	bl_buf_addf(&path, "/repos/%s", bl_github_repository(github));
	for (; *fmt; fmt++)
		if (*fmt == '*')
			bl_buf_adds(&path, bl_buf_text(&encoded));
		else
			bl_buf_addc(&path, *fmt);
	if (bl_buf_check(&path, "path", err))
		return -1;
	return bl_github_call(github, "GET", bl_buf_text(&path), NULL, out, err);
}

/* --- Its settings ----------------------------------------------------------------------------- */

/* GITHUB_TOKEN of a workflow is another's than a person's: each may not see something. */
static void unseen(struct bl_checks *checks, enum bl_checkup what, const char *needs,
                   const struct bl_err *err)
{
	if (err->code == BL_EDENIED || err->code == BL_ENOENT)
		bl_check_add(checks, what, BL_CHECK_SKIPPED, "this token may not see it: %s",
		             needs);
	else
		bl_check_failed(checks, what, BL_CHECK_SKIPPED, err);
}

static void check_environment(struct doctor *doctor, struct bl_github *github)
{
	const char *name =
		doctor->has_config ? bl_config_text(&doctor->config, "github_environment") : NULL;
	BL_VALUE environment = NULL;
	BL_VALUE policies = NULL;
	struct bl_err err = { 0 };

	if (!name || !*name) {
		bl_check_add(&doctor->checks, BL_CHECKUP_ENVIRONMENT, BL_CHECK_OK,
		             "none: whoever may write here may spend up to the stack's ceilings");
		return;
	}
	if (ask(github, &environment, &err, "/environments/*", name)) {
		if (err.code == BL_ENOENT)
			bl_doctor_judge_environment(name, NULL, NULL, &doctor->checks);
		else
			unseen(&doctor->checks, BL_CHECKUP_ENVIRONMENT, "it needs actions: read",
			       &err);
		return;
	}
	if (ask(github, &policies, &err, "/environments/*/deployment-branch-policies", name))
		bl_err_clear(&err);
	bl_doctor_judge_environment(name, environment, policies, &doctor->checks);
}

static void check_forks(struct doctor *doctor, struct bl_github *github, bool is_private)
{
	struct bl_err err = { 0 };
	BL_VALUE settings = NULL;

	if (!is_private)
		bl_check_add(&doctor->checks, BL_CHECKUP_FORK_TOKENS, BL_CHECK_OK,
		             "read-only: the repository is public");
	else if (ask(github, &settings, &err,
	             "/actions/permissions/fork-pr-workflows-private-repos", ""))
		unseen(&doctor->checks, BL_CHECKUP_FORK_TOKENS, "ask with an administrator's token",
		       &err);
	else
		bl_doctor_judge_forks(settings, &doctor->checks);
}

static void check_label(struct doctor *doctor, struct bl_github *github)
{
	const char *name = doctor->has_config ? bl_config_text(&doctor->config, "label") : "train";
	struct bl_err err = { 0 };

	if (!ask(github, NULL, &err, "/labels/*", name))
		bl_check_add(&doctor->checks, BL_CHECKUP_LABEL, BL_CHECK_OK, "%s", name);
	else if (err.code == BL_ENOENT)
		bl_check_next(bl_check_add(&doctor->checks, BL_CHECKUP_LABEL, BL_CHECK_WARN,
		                           "'%s' does not exist yet", name),
		              BL_ENOENT, "create it: gh label create %s", name);
	else
		unseen(&doctor->checks, BL_CHECKUP_LABEL, "it needs pull-requests: read", &err);
}

/* What only a person may see: a role of CI holds nothing of IAM. */
static void check_trust(struct doctor *doctor, const struct bl_value *repository, const char *name)
{
	const char *role = doctor->has_stack ? doctor->stack.launch_role : "";
	BL_AUTO(bl_buf) policy = BL_BUF((size_t)64 << 10);
	const struct bl_trust_wanted wanted = {
		.repository = name,
		.environment = doctor->has_config
		                       ? bl_config_text(&doctor->config, "github_environment")
		                       : NULL,
		.branch = bl_value_text_or(repository, "default_branch", "main"),
		.repository_id = bl_value_int_or(repository, "id", 0),
		.owner_id = bl_value_int_or(repository, "owner.id", 0),
	};
	struct bl_err err = { 0 };
	BL_VALUE document = NULL;

	if (!*role)
		return;
	if (bl_iam_trust(doctor->aws, role, &policy, &err) ||
	    bl_json_parse(bl_buf_text(&policy), policy.len, "trust policy", &document, &err))
		bl_check_failed(&doctor->checks, BL_CHECKUP_TRUST, BL_CHECK_SKIPPED, &err);
	else
		bl_doctor_judge_trust(strrchr(role, '/') ? strrchr(role, '/') + 1 : role, document,
		                      &wanted, &doctor->checks);
}

static void check_pulls(struct doctor *doctor, struct bl_github *github)
{
	struct bl_err err = { 0 };

	if (ask(github, NULL, &err, "/pulls?per_page=1", ""))
		bl_check_failed(&doctor->checks, BL_CHECKUP_GITHUB_TOKEN, BL_CHECK_FAIL, &err);
	else
		bl_check_add(&doctor->checks, BL_CHECKUP_GITHUB_TOKEN, BL_CHECK_OK,
		             "reads pull requests of %s", bl_github_repository(github));
}

static void check_api(struct doctor *doctor)
{
	const char *token = getenv("GITHUB_TOKEN");
	struct bl_err err = { 0 };
	BL_VALUE repository = NULL;
	BL_GITHUB github = NULL;
	char name[256];

	repository_of(doctor, name);
	if (!token || !*token || !name[0]) {
		bl_check_add(&doctor->checks, BL_CHECKUP_REPOSITORY, BL_CHECK_SKIPPED,
		             name[0] ? "no GITHUB_TOKEN: GITHUB_TOKEN=$(gh auth token) branchline "
		                       "doctor asks GitHub too"
		                     : "no GITHUB_REPOSITORY, and origin is not on GitHub");
		return;
	}
	const struct bl_github_options options = { .repository = name };
	if (bl_github_open(&options, &github, &err) || ask(github, &repository, &err, "", "")) {
		bl_check_failed(&doctor->checks, BL_CHECKUP_REPOSITORY, BL_CHECK_FAIL, &err);
		return;
	}
	bool is_private = bl_value_bool_or(repository, "private", false);
	bl_check_add(&doctor->checks, BL_CHECKUP_REPOSITORY, BL_CHECK_OK,
	             "%s, %s, default branch %s", name, is_private ? "private" : "public",
	             bl_value_text_or(repository, "default_branch", "?"));
	check_pulls(doctor, github);
	check_trust(doctor, repository, name);
	check_environment(doctor, github);
	check_forks(doctor, github, is_private);
	check_label(doctor, github);
}

/* --- Workflow files --------------------------------------------------------------------------- */

struct files {
	struct doctor *doctor;
	size_t n;
};

static int on_file(void *arg, int dir, const char *name, unsigned char type, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(WORKFLOW_MAX);
	struct files *files = arg;
	BL_VALUE workflow = NULL;
	struct bl_err unread = { 0 };

	(void)type, (void)err;
	if (!bl_str_ends(name, ".yml") && !bl_str_ends(name, ".yaml"))
		return 0;
	/* what GitHub itself cannot read is GitHub's to tell */
	if (!bl_fs_read(dir, name, &bytes, &unread) &&
	    !bl_yaml_parse(bl_buf_text(&bytes), bytes.len, name, &workflow, &unread))
		files->n += bl_doctor_judge_workflow(name, workflow, &files->doctor->checks);
	return 0;
}

static void check_files(struct doctor *doctor)
{
	struct files files = { .doctor = doctor };
	BL_FD root = -1;
	struct bl_err err = { 0 };

	if (!doctor->git.found)
		return;
	if (bl_fs_open_dir(doctor->git.root, &root, &err) ||
	    bl_fs_list(root, ".github/workflows", on_file, &files, &err))
		bl_err_clear(&err); /* none there */
	if (!files.n)
		bl_check_next(bl_check_add(&doctor->checks, BL_CHECKUP_WORKFLOW, BL_CHECK_WARN,
		                           "none in .github/workflows calls Branchline"),
		              BL_ENOENT,
		              "add the ten lines of docs/setup.md, so that a label starts "
		              "a run");
}

void doctor_github(struct doctor *doctor)
{
	doctor_group(doctor, "GitHub");
	check_files(doctor);
	check_api(doctor);
}
