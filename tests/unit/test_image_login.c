/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_login_parts.h"

#include "tests/unit/creds_input.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"
#include "tests/unit/login_helper.h"
#include "tests/unit/scratch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE ((int64_t)60000)
#define HOUR (60 * MINUTE)
#define ECR_EU "111122223333.dkr.ecr.eu-west-1.amazonaws.com"

/* No login of the machine's is seen: all places are below the folder. */
static void be_nobody(void)
{
	forget_identity();
	unsetenv("REGISTRY_AUTH_FILE");
	unsetenv("DOCKER_CONFIG");
	unsetenv("XDG_CONFIG_HOME");
	setenv("XDG_RUNTIME_DIR", folder_path("run"), 1);
	setenv("HOME", folder_path("home"), 1);
}

static struct bl_logins *open_logins(const char *const *names, size_t n)
{
	const struct bl_logins_options options = { .names = names, .n_names = n };
	struct bl_logins *logins = NULL;
	struct bl_err err = { 0 };

	must(bl_logins_open(&options, &logins, &err), &err);
	return logins;
}

/* "USER:PASSWORD"; valid until the next call. */
static const char *login_of(struct bl_logins *logins, const char *registry, bool again)
{
	static char text[512];
	struct bl_login login = { 0 };
	struct bl_err err = { 0 };

	must(bl_logins_get(logins, registry, again, &login, &err), &err);
	snprintf(text, sizeof(text), "%s:%s", login.user, bl_secret_text(&login.password));
	bl_login_done(&login);
	return text;
}

static void put_login(const char *path, const char *user)
{
	char text[256];

	snprintf(text, sizeof(text),
	         "{\"auths\":{\"r.io\":{\"username\":\"%s\",\"password\":\"p\"}}}", user);
	put_text(path, text);
}

static void assert_login(const char *expect)
{
	struct bl_logins *logins = open_logins(NULL, 0);

	assert_string_equal(login_of(logins, "r.io", false), expect);
	bl_logins_close(logins);
}

static void the_first_file_that_names_it_counts(void **state)
{
	(void)state;
	be_nobody();
	assert_login(":");
	put_login("home/.docker/config.json", "docker");
	assert_login("docker:p");
	put_login("home/.config/containers/auth.json", "containers");
	assert_login("containers:p");
	put_login("run/containers/auth.json", "runtime");
	assert_login("runtime:p");
	put_login("config/config.json", "named");
	setenv("DOCKER_CONFIG", folder_path("config"), 1);
	assert_login("named:p");
	put_login("file", "file");
	setenv("REGISTRY_AUTH_FILE", folder_path("file"), 1);
	assert_login("file:p");
	/* what names others, is empty or absent is passed over */
	put_text("file", "{\"auths\":{\"s.io\":{\"auth\":\"dTpw\"}}}");
	assert_login("named:p");
	put_text("file", " \n");
	assert_login("named:p");
	setenv("REGISTRY_AUTH_FILE", "/dev/null", 1);
	assert_login("named:p");
	setenv("REGISTRY_AUTH_FILE", folder_path("absent"), 1);
	setenv("DOCKER_CONFIG", "/dev/null", 1);
	assert_login("runtime:p");
	setenv("XDG_CONFIG_HOME", folder_path("xdg"), 1);
	put_login("xdg/containers/auth.json", "xdg");
	remove_path("run/containers/auth.json");
	assert_login("xdg:p");
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
	struct bl_logins *logins;
	struct bl_login login = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	be_nobody();
	put_text("home/.docker/config.json", "{");
	logins = open_logins(NULL, 0);
	assert_int_equal(bl_logins_get(logins, "r.io", false, &login, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_non_null(strstr(err.text, "log in to r.io: "));
	assert_non_null(strstr(err.text, folder_path("home/.docker/config.json")));
	bl_err_clear(&err);
	/* a folder in its place */
	setenv("REGISTRY_AUTH_FILE", folder, 1);
	assert_int_equal(bl_logins_get(logins, "r.io", false, &login, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_non_null(strstr(err.text, folder));
	assert_non_null(strstr(err.next, "REGISTRY_AUTH_FILE"));
	bl_err_clear(&err);
	assert_int_equal(bl_logins_get(logins, "", false, &login, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	bl_logins_close(logins);
	bl_logins_close(NULL);
}

static void logins_are_kept_until_they_are_refused(void **state)
{
	struct bl_logins *logins;

	(void)state;
	be_nobody();
	put_login("home/.docker/config.json", "one");
	logins = open_logins(NULL, 0);
	assert_string_equal(login_of(logins, "r.io", false), "one:p");
	put_login("home/.docker/config.json", "two");
	assert_string_equal(login_of(logins, "r.io", false), "one:p");
	assert_string_equal(login_of(logins, "r.io", true), "two:p");
	assert_string_equal(login_of(logins, "r.io", false), "two:p");
	/* of more than are kept the oldest is asked for again */
	for (char name[] = "0.io"; *name <= '9'; name[0]++)
		assert_string_equal(login_of(logins, name, false), ":");
	put_login("home/.docker/config.json", "three");
	assert_string_equal(login_of(logins, "r.io", false), "three:p");
	bl_logins_close(logins);
}

static void a_login_by_path_is_found(void **state)
{
	static const char *const names[] = { "s.io/x", "r.io/team/name" };
	struct bl_logins *logins;

	(void)state;
	be_nobody();
	put_text("home/.docker/config.json", "{\"auths\":{\"r.io/team\":{\"auth\":\"dTpw\"},"
	                                     "\"s.io\":{\"auth\":\"bzpxOnI=\"}}}");
	logins = open_logins(names, 2);
	assert_string_equal(login_of(logins, "r.io", false), "u:p");
	assert_string_equal(login_of(logins, "s.io", false), "o:q:r");
	assert_string_equal(login_of(logins, "s.i", false), ":");
	bl_logins_close(logins);
	logins = open_logins(NULL, 0);
	assert_string_equal(login_of(logins, "r.io", false), ":");
	bl_logins_close(logins);
}

static void a_store_is_asked_and_then_the_next_file(void **state)
{
	struct bl_logins *logins;

	(void)state;
	be_nobody();
	put_helper("fake",
	           "#!/bin/sh\nread -r name\necho \"$name\" >>$HELPER_DIR/asked\n"
	           "[ $name = docker.io ] && { " ANSWER(
			   "hub", "p") " exit 0; }\n"
	                               "echo 'credentials not found in native keychain'; exit 1\n");
	put_text("run/containers/auth.json", "{\"credsStore\":\"fake\"}");
	put_login("home/.docker/config.json", "file");
	logins = open_logins(NULL, 0);
	assert_string_equal(login_of(logins, "r.io", false), "file:p");
	assert_string_equal(login_of(logins, "docker.io", false), "hub:p");
	assert_file_holds("asked", "r.io\nhttps://index.docker.io/v1/\ndocker.io\n");
	bl_logins_close(logins);
}

/* --- ECR -------------------------------------------------------------------------------------- */

/* AWS:p1, AWS:p2 */
#define TOKEN(text)                                                                                \
	"{\"authorizationData\":[{\"authorizationToken\":\"" text "\",\"expiresAt\":1795651200}]}"

static struct canned *be_in_aws(const struct canned_reply *replies, size_t n)
{
	struct canned *server = canned_start(replies, n);

	be_nobody();
	unsetenv("AWS_REGION");
	setenv("AWS_ENDPOINT_URL", canned_url(server, ""), 1);
	setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
	return server;
}

/* 1795651200 is noon and 12 hours. */
static void an_ecr_token_is_renewed_in_time(void **state)
{
	const struct canned_reply replies[] = { { .times = 1, .body = TOKEN("QVdTOnAx") },
		                                { .body = TOKEN("QVdTOnAy") } };
	struct canned *server = be_in_aws(replies, 2);
	struct bl_logins *logins = open_logins(NULL, 0);

	(void)state;
	stop_clock(INPUT_NOON);
	assert_string_equal(login_of(logins, ECR_EU, false), "AWS:p1");
	assert_non_null(strstr(canned_head(server, 0), "/eu-west-1/ecr/aws4_request"));
	move_clock(12 * HOUR - 5 * MINUTE - 1);
	assert_string_equal(login_of(logins, ECR_EU, false), "AWS:p1");
	assert_int_equal(canned_requests(server), 1);
	move_clock(1);
	assert_string_equal(login_of(logins, ECR_EU, false), "AWS:p2");
	assert_int_equal(canned_requests(server), 2);
	bl_logins_close(logins);
	start_clock();
	canned_stop(server);
}

static void *get_ecr(void *arg)
{
	struct bl_login login = { 0 };
	struct bl_err err = { 0 };
	bool right = !bl_logins_get(arg, ECR_EU, false, &login, &err) &&
	             !strcmp(bl_secret_text(&login.password), "p1");

	bl_login_done(&login);
	return right ? arg : NULL;
}

static void threads_share_one_token(void **state)
{
	const struct canned_reply replies[] = { { .body = TOKEN("QVdTOnAx") } };
	struct canned *server = be_in_aws(replies, 1);
	struct bl_logins *logins = open_logins(NULL, 0);
	pthread_t threads[4];
	void *right;

	(void)state;
	stop_clock(INPUT_NOON);
	for (size_t i = 0; i < BL_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, get_ecr, logins), 0);
	for (size_t i = 0; i < BL_COUNT(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &right), 0);
		assert_ptr_equal(right, logins);
	}
	start_clock();
	assert_int_equal(canned_requests(server), 1);
	bl_logins_close(logins);
	canned_stop(server);
}

static void a_refused_ecr_token_is_fetched_anew(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .body = TOKEN("QVdTOnAx") },
		{ .times = 1, .body = TOKEN("QVdTOnAy") },
		{ .status = 400, .body = "{\"__type\":\"AccessDeniedException\"}" }
	};
	struct canned *server = be_in_aws(replies, 3);
	struct bl_logins *logins = open_logins(NULL, 0);
	struct bl_login login = { .user = "before" };
	struct bl_err err = { 0 };
	struct bl_aws *aws = NULL, *same = NULL;

	(void)state;
	stop_clock(INPUT_NOON);
	must(bl_logins_aws(logins, &aws, &err), &err);
	assert_string_equal(login_of(logins, ECR_EU, false), "AWS:p1");
	assert_string_equal(login_of(logins, ECR_EU, true), "AWS:p2");
	assert_int_equal(bl_logins_get(logins, ECR_EU, true, &login, &err), -1);
	start_clock();
	assert_int_equal(err.code, BL_EDENIED);
	assert_non_null(strstr(err.text, "log in to " ECR_EU ": ecr GetAuthorizationToken"));
	assert_non_null(strstr(err.next, "ecr:GetAuthorizationToken"));
	assert_string_equal(login.user, "before");
	bl_err_clear(&err);
	must(bl_logins_aws(logins, &same, &err), &err);
	assert_ptr_equal(aws, same);
	bl_logins_close(logins);
	canned_stop(server);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static int get_story(const char *registry, struct bl_err *err)
{
	const struct bl_logins_options options = { 0 };
	struct bl_logins *logins = NULL;
	struct bl_login login = { 0 };
	int rc = bl_logins_open(&options, &logins, err);

	if (!rc)
		rc = bl_logins_get(logins, registry, false, &login, err);
	bl_login_done(&login);
	bl_logins_close(logins);
	return rc;
}

static int file_story(struct bl_err *err)
{
	return get_story("r.io", err);
}

static int ecr_story(struct bl_err *err)
{
	return get_story(ECR_EU, err);
}

static int aws_story(struct bl_err *err)
{
	struct bl_logins *logins = NULL;
	struct bl_aws *aws;
	int rc = bl_logins_open(NULL, &logins, err);

	if (!rc)
		rc = bl_logins_aws(logins, &aws, err);
	bl_logins_close(logins);
	return rc;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	const struct canned_reply replies[] = { { .body = TOKEN("QVdTOnAx") } };
	struct canned *server = be_in_aws(replies, 1);
	struct bl_err err = { 0 };

	(void)state;
	put_helper("fake", "#!/bin/sh\n" ANSWER("u", "p"));
	put_text("run/containers/auth.json", "{\"credsStore\":\"fake\"}");
	each_allocation_fails(file_story, 1000);
	must(ecr_story(&err), &err); /* what is set up once has thousands */
	each_allocation_fails(ecr_story, 5000);
	each_allocation_fails(aws_story, 5000);
	canned_stop(server);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(the_first_file_that_names_it_counts),
		IN_FOLDER(a_file_that_cannot_be_read_is_named),
		IN_FOLDER(logins_are_kept_until_they_are_refused),
		IN_FOLDER(a_login_by_path_is_found),
		IN_FOLDER(a_store_is_asked_and_then_the_next_file),
		IN_FOLDER(an_ecr_token_is_renewed_in_time),
		IN_FOLDER(threads_share_one_token),
		IN_FOLDER(a_refused_ecr_token_is_fetched_anew),
		IN_FOLDER(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("image logins", tests, NULL, NULL);
}
