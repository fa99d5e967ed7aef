/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/aws_peer.h"

#include "base/proc.h"
#include "codec/json.h"
#include "tests/unit/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
	pid_t pid;
	int stdin_fd;
	struct bl_http *http;
	char control[128];
} peer = { .stdin_fd = -1 };

static void lead_here(const struct bl_value *told)
{
	static const char *const foreign[] = {
		"AWS_PROFILE",        "AWS_SESSION_TOKEN",           "AWS_ENDPOINT_URL_S3",
		"AWS_ROLE_ARN",       "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_MAX_ATTEMPTS",
		"AWS_DEFAULT_REGION", "BRANCHLINE_BUCKET_OWNER",     "ACTIONS_ID_TOKEN_REQUEST_URL",
	};

	for (size_t i = 0; i < BL_COUNT(foreign); i++)
		unsetenv(foreign[i]);
	setenv("AWS_ENDPOINT_URL", bl_value_text_or(told, "aws", ""), 1);
	setenv("AWS_ACCESS_KEY_ID", bl_value_text_or(told, "key_id", ""), 1);
	setenv("AWS_SECRET_ACCESS_KEY", bl_value_text_or(told, "secret", ""), 1);
	setenv("AWS_REGION", "us-east-1", 1);
	setenv("AWS_CONFIG_FILE", "/dev/null", 1);
	setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	setenv("NO_PROXY", "127.0.0.1", 1);
	snprintf(peer.control, sizeof(peer.control), "%s", bl_value_text_or(told, "control", ""));
}

/* The peer says where it listens in its first line. */
static bool read_line(int fd)
{
	struct bl_err err = { 0 };
	BL_VALUE told = NULL;
	char line[4096];
	FILE *file = fdopen(fd, "r");
	bool came = file && fgets(line, sizeof(line), file);

	if (came && !bl_json_parse(line, strlen(line), "the peer's line", &told, &err))
		lead_here(told);
	if (file)
		fclose(file);
	return *peer.control != '\0';
}

bool peer_start(void)
{
	char *argv[] = { (char *)"python3", (char *)"tests/fakes/aws", NULL };
	int to[2], from[2], status;
	struct bl_err err = { 0 };
	struct bl_child child;

	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		return false;
	int fds[][2] = { { to[0], STDIN_FILENO }, { from[1], STDOUT_FILENO } };
	struct bl_spawn how = { .file = "python3",
		                .argv = argv,
		                .search = true,
		                .dir_fd = -1,
		                .fds = fds,
		                .n_fds = 2,
		                .no_pidfd = true,
		                .parent_signal = SIGKILL };
	if (bl_proc_spawn(&how, &child, &status, &err)) {
		print_message("skipped: the strict peer needs python3: %s\n", err.text);
		return false;
	}
	close(to[0]);
	close(from[1]);
	peer.pid = child.pid;
	peer.stdin_fd = to[1];
	if (read_line(from[0]) && !bl_http_open(NULL, &peer.http, &err))
		return true;
	print_message("the peer did not start %s\n", err.text);
	exit(1);
}

static void the_strict_peer(void **state)
{
	(void)state;
	skip();
}

int peer_skip(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_strict_peer) };

	return cmocka_run_group_tests_name("no peer", tests, NULL, NULL);
}

void peer_stop(void)
{
	bl_http_close(peer.http);
	if (peer.stdin_fd < 0)
		return;
	close(peer.stdin_fd);
	waitpid(peer.pid, NULL, 0);
}

static void exchange(const char *method, const char *path, const char *body, struct bl_buf *out)
{
	BL_AUTO(bl_http_reply) reply = { 0 };
	struct bl_err err = { 0 };
	char url[512];
	struct bl_http_request request = { .method = method,
		                           .url = url,
		                           .bytes = body,
		                           .size = body ? strlen(body) : 0,
		                           .reply_max = 64u << 20 };

	snprintf(url, sizeof(url), "%s%s", peer.control, path);
	must(bl_http_send(peer.http, &request, &reply, &err), &err);
	if (reply.status != 200)
		fail_msg("%s %s: %d %s", method, path, reply.status, bl_buf_text(&reply.body));
	if (out)
		bl_buf_add(out, bl_buf_text(&reply.body), reply.body.len);
}

void peer_control(const char *method, const char *path, const char *body)
{
	exchange(method, path, body, NULL);
}

void peer_ask(const char *path, struct bl_buf *reply)
{
	exchange("GET", path, NULL, reply);
}

unsigned peer_seen(const char *operation)
{
	BL_AUTO(bl_buf) text = BL_BUF(64u << 20);
	struct bl_err err = { 0 };
	BL_VALUE log = NULL;
	unsigned n = 0;

	peer_ask("/log", &text);
	must(bl_json_parse(bl_buf_text(&text), text.len, "the peer's log", &log, &err), &err);
	for (size_t i = 0; i < log->n; i++)
		n += !strcmp(bl_value_text_or(log->items[i], "operation", ""), operation);
	return n;
}

void peer_fresh(void)
{
	peer_control("POST", "/reset", "{}");
	peer_control("POST", "/buckets", "{\"name\":\"bucket\"}");
}

void peer_open(struct peer_client *client)
{
	struct bl_aws_options options = { 0 };
	struct bl_s3_options s3 = { .bucket = "bucket" };
	struct bl_err err = { 0 };

	must(bl_aws_open(&options, &client->aws, &err), &err);
	must(bl_s3_open(client->aws, &s3, &client->s3, &err), &err);
}

void peer_close(struct peer_client *client)
{
	bl_s3_close(client->s3);
	bl_aws_close(client->aws);
	*client = (struct peer_client){ 0 };
}

struct peer_client at_peer;

int peer_set_up(void **state)
{
	peer_fresh();
	peer_open(&at_peer);
	*state = at_peer.s3;
	return 0;
}

int peer_tear_down(void **state)
{
	(void)state;
	peer_close(&at_peer);
	return 0;
}
