/* SPDX-License-Identifier: Apache-2.0 */
/* What can be seen without asking anybody: this program, the trust store, branchline.yaml. */
#include "actions/cli/doctor.h"
#include "base/version.h"
#include "net/http.h"
#include "run/image_build.h"

#include <stdio.h>
#include <string.h>

static void check_trust(struct bl_checks *checks)
{
	char path[4096];

	bl_http_ca_file(path, sizeof(path));
	if (path[0]) {
		bl_check_add(checks, BL_CHECKUP_TLS, BL_CHECK_OK, "%.400s", path);
		return;
	}
	bl_check_next(bl_check_add(checks, BL_CHECKUP_TLS, BL_CHECK_FAIL,
	                           "no file of certificate authorities was found"),
	              BL_EINPUT,
	              "install the package ca-certificates, or name a file: SSL_CERT_FILE");
}

void doctor_machine(struct doctor *doctor)
{
	doctor_group(doctor, "This machine");
	bl_check_add(&doctor->checks, BL_CHECKUP_PROGRAM, BL_CHECK_OK, "branchline %s (%s, %s)",
	             BL_VERSION, BL_ARCH, bl_http_versions());
	check_trust(&doctor->checks);
}

/* --- Configuration ---------------------------------------------------------------------------- */

static void check_builder(struct doctor *doctor)
{
	struct bl_err err = { 0 };
	enum bl_builder builder;
	char path[4096];

	if (!bl_config_has(&doctor->config, "image.dockerfile") &&
	    !bl_config_has(&doctor->config, "image.requirements"))
		return;
	if (bl_build_find(&builder, path, &err)) {
		struct bl_check *check = bl_check_add(&doctor->checks, BL_CHECKUP_BUILDER,
		                                      BL_CHECK_WARN, "%s", err.text);

		/* hosted runners have one, and the base is built there */
		bl_check_next(check, err.code, "%s", err.next);
		return;
	}
	bl_check_add(&doctor->checks, BL_CHECKUP_BUILDER, BL_CHECK_OK, "%.400s", path);
}

void doctor_config(struct doctor *doctor)
{
	struct bl_err err = { 0 };

	doctor_group(doctor, "Configuration");
	if (bl_git_read(".", &doctor->git, &err))
		bl_err_clear(&err); /* without a repository there is less to say */
	if (bl_options_config(doctor->options.file, doctor->options.job, &doctor->args, NULL,
	                      &doctor->config, &doctor->found, &err)) {
		bl_check_failed(&doctor->checks, BL_CHECKUP_CONFIG, BL_CHECK_FAIL, &err);
		return;
	}
	doctor->has_config = true;
	if (!doctor->found.path[0]) {
		bl_check_next(bl_check_add(&doctor->checks, BL_CHECKUP_CONFIG, BL_CHECK_WARN,
		                           "none here, nor above: defaults only, and no command"),
		              BL_EINPUT, "write one: docs/configuration.md has an example");
		return;
	}
	bl_check_add(&doctor->checks, BL_CHECKUP_CONFIG, BL_CHECK_OK, "%.300s, job %s",
	             doctor->found.path, doctor->config.job);
	check_builder(doctor);
}
