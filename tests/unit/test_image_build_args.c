/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_build_parts.h"

#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct bl_build_plan plan_of(enum bl_builder builder)
{
	return (struct bl_build_plan){ .builder = builder,
		                       .program = "/bin/it",
		                       .context_dir = "/w/context",
		                       .dockerfile_path = "/w/Dockerfile",
		                       .platform = "linux/amd64",
		                       .ignore_path = "/w/Dockerfile.dockerignore",
		                       .name = "localhost/n:1",
		                       .layout_dir = "/w/layout",
		                       .new_instance = "mine" };
}

/* The arguments of a step in one text. */
static void assert_step(const struct bl_build_plan *plan, unsigned step, const char *text)
{
	BL_AUTO(bl_buf) texts = BL_BUF(65536);
	BL_AUTO(bl_buf) line = BL_BUF(65536);
	const char *args[BL_BUILD_ARGS];
	struct bl_err err = { 0 };
	size_t n;

	if (bl_build_args(plan, step, &texts, args, &n, &err))
		fail_msg("%s", err.text);
	assert_null(args[n]);
	for (size_t i = 0; i < n; i++)
		bl_buf_addf(&line, "%s%s", i ? " " : "", args[i]);
	assert_string_equal(bl_buf_text(&line), text);
}

static void buildah_builds_and_writes_a_layout(void **state)
{
	struct bl_build_plan plan = plan_of(BL_BUILDER_BUILDAH);

	(void)state;
	assert_int_equal(bl_build_steps(&plan), 2);
	assert_false(bl_build_is_cleanup(&plan, 1));
	assert_step(&plan, 0,
	            "/bin/it build --layers --format oci --platform linux/amd64 --file "
	            "/w/Dockerfile --ignorefile /w/Dockerfile.dockerignore --tag localhost/n:1 "
	            "/w/context");
	assert_step(&plan, 1, "/bin/it push localhost/n:1 oci:/w/layout:base");
	plan.epoch = "1";
	plan.auth_file = "/w/auth.json";
	plan.plain_http = true;
	plan.cache_ref = "r/n"; /* its layers' names would mix with those of others */
	assert_step(&plan, 0,
	            "/bin/it build --layers --format oci --platform linux/amd64 --file "
	            "/w/Dockerfile --ignorefile /w/Dockerfile.dockerignore --tag localhost/n:1 "
	            "--timestamp 1 --authfile /w/auth.json --tls-verify=false /w/context");
}

static void docker_gets_an_instance_that_can_export(void **state)
{
	struct bl_build_plan plan = plan_of(BL_BUILDER_DOCKER);

	(void)state;
	assert_int_equal(bl_build_steps(&plan), 3);
	assert_true(bl_build_is_cleanup(&plan, 2));
	assert_step(&plan, 0,
	            "/bin/it buildx create --name mine --driver docker-container --driver-opt "
	            "network=host --bootstrap");
	assert_step(&plan, 1,
	            "/bin/it buildx build --builder mine --progress plain --provenance=false "
	            "--sbom=false --platform linux/amd64 --file /w/Dockerfile --output "
	            "type=oci,tar=false,name=branchline:base,dest=/w/layout /w/context");
	assert_step(&plan, 2, "/bin/it buildx rm --force mine");
	plan.instance = "in-use";
	plan.epoch = "1";
	assert_int_equal(bl_build_steps(&plan), 1);
	assert_false(bl_build_is_cleanup(&plan, 0));
	assert_step(&plan, 0,
	            "/bin/it buildx build --builder in-use --progress plain --provenance=false "
	            "--sbom=false --platform linux/amd64 --file /w/Dockerfile --build-arg "
	            "SOURCE_DATE_EPOCH=1 --output "
	            "type=oci,tar=false,name=branchline:base,dest=/w/layout /w/context");
}

static void a_pull_request_cannot_write_mains_cache(void **state)
{
	struct bl_build_plan plan = plan_of(BL_BUILDER_DOCKER);
	const char *args[BL_BUILD_ARGS];

	(void)state;
	plan.cache_ref = "r/n";
	for (int is_main = 0; is_main < 2; is_main++) {
		BL_AUTO(bl_buf) texts = BL_BUF(65536);
		struct bl_err err = { 0 };
		size_t n, reads = 0, writes = 0;

		plan.is_main = is_main;
		assert_int_equal(bl_build_args(&plan, 1, &texts, args, &n, &err), 0);
		for (size_t i = 0; i + 1 < n; i++) {
			reads += !strcmp(args[i], "--cache-from");
			if (strcmp(args[i], "--cache-to") != 0)
				continue;
			writes++;
			assert_string_equal(
				args[i + 1],
				is_main ? "type=registry,ref=r/n:cache-base,mode=max,image-"
					  "manifest=true,oci-mediatypes=true,ignore-error=true"
					: "type=registry,ref=r/n:cache-base-pr,mode=max,image-"
					  "manifest=true,oci-mediatypes=true,ignore-error=true");
		}
		assert_int_equal(reads, is_main ? 1 : 2);
		assert_int_equal(writes, 1);
	}
}

static void what_cannot_be_said_is_refused(void **state)
{
	struct bl_build_plan plan = plan_of(BL_BUILDER_DOCKER);
	BL_AUTO(bl_buf) texts = BL_BUF(65536);
	const char *args[BL_BUILD_ARGS];
	struct bl_err err = { 0 };
	size_t n;

	(void)state;
	plan.layout_dir = "/a,type=local/layout";
	assert_int_equal(bl_build_args(&plan, 1, &texts, args, &n, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	bl_err_clear(&err);
	assert_int_equal(bl_build_args(&plan, 3, &texts, args, &n, &err), -1);
	assert_int_equal(err.code, BL_EBUG);
	plan.builder = BL_BUILDER_NONE;
	assert_int_equal(bl_build_steps(&plan), 0);
}

/* --- Failures --------------------------------------------------------------------------------- */

#define EXITED(n) ((n) << 8)

static void the_builders_words_are_kept(void **state)
{
	static const struct {
		const char *said;
		int status;
		enum bl_code code;
		const char *text;
	} rows[] = {
		{ "STEP 1\nError: building at STEP \"RUN x\": exit status 3\n", EXITED(3),
		  BL_EINPUT, "the build failed: Error: building at STEP \"RUN x\": exit status 3" },
		{ "error: first\nDockerfile:12\n-----\nERROR: failed to solve: x\n", EXITED(1),
		  BL_EINPUT, "the build failed at line 12: ERROR: failed to solve: x" },
		{ "only this\n\n", EXITED(1), BL_EINPUT, "the build failed: only this" },
		{ "", EXITED(125), BL_EINPUT, "the build failed: it said nothing" },
		{ "a\x1b[31mb\tc\n", EXITED(1), BL_EINPUT, "the build failed: a [31mb c" },
		{ "x", 9, BL_EIO, "the builder was ended by signal 9 (out of memory?)" },
		{ "write /x: No space left on device\nError: y", EXITED(1), BL_ENOSPC,
		  "the build ran out of disk space" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(rows); i++) {
		struct bl_err err = { 0 };

		assert_int_equal(build_failed(rows[i].said, rows[i].status, &err), -1);
		assert_int_equal(err.code, rows[i].code);
		assert_string_equal(err.text, rows[i].text);
		assert_true(err.next[0]);
	}
}

static void room_is_judged(void **state)
{
	static const struct {
		uint64_t mib;
		bool github, fails, warns;
	} rows[] = {
		{ 2047, true, true, false },
		{ 2048, true, false, true },
		{ 25599, false, false, true },
		{ 25600, false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(rows); i++) {
		BL_AUTO(bl_buf) warn = BL_BUF(4096);
		struct bl_err err = { 0 };
		const char *said;

		assert_int_equal(
			build_judge_room(rows[i].mib << 20, "/graph", rows[i].github, &warn, &err),
			rows[i].fails ? -1 : 0);
		assert_int_equal(warn.len > 0, rows[i].warns);
		assert_int_equal(err.code, rows[i].fails ? BL_ENOSPC : BL_OK);
		said = rows[i].fails ? err.next : bl_buf_text(&warn);
		if (rows[i].fails || rows[i].warns)
			assert_non_null(strstr(said, rows[i].github ? "/usr/share/dotnet"
			                                            : "buildah prune"));
	}
}

static int arguments(struct bl_err *err)
{
	struct bl_build_plan plan = plan_of(BL_BUILDER_DOCKER);
	BL_AUTO(bl_buf) texts = BL_BUF(65536);
	BL_AUTO(bl_buf) warn = BL_BUF(65536);
	const char *args[BL_BUILD_ARGS];
	size_t n;

	if (build_judge_room((uint64_t)3 << 30, "/", false, &warn, err) ||
	    bl_buf_check(&warn, "warning", err))
		return -1;
	return bl_build_args(&plan, 1, &texts, args, &n, err);
}

static void memory_may_end(void **state)
{
	(void)state;
	each_allocation_fails(arguments, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buildah_builds_and_writes_a_layout),
		cmocka_unit_test(docker_gets_an_instance_that_can_export),
		cmocka_unit_test(a_pull_request_cannot_write_mains_cache),
		cmocka_unit_test(what_cannot_be_said_is_refused),
		cmocka_unit_test(the_builders_words_are_kept),
		cmocka_unit_test(room_is_judged),
		cmocka_unit_test(memory_may_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
