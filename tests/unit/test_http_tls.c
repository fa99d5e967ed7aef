/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_parts.h"

#include "base/fs.h"
#include "base/proc.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/scratch.h"

/* A server of the openssl program with a certificate for "localhost" that vouches for itself. */
static pid_t server;
static unsigned port;

static bool run_openssl(const char *const *argv, int out, pid_t *pid)
{
	BL_FD quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int fds[][2] = { { out >= 0 ? out : quiet, 1 }, { quiet, 2 } };
	struct bl_spawn how = { .file = "openssl",
		                .argv = (char *const *)(uintptr_t)argv,
		                .search = true,
		                .dir_fd = -1,
		                .no_pidfd = true,
		                .parent_signal = SIGKILL,
		                .fds = fds,
		                .n_fds = 2 };
	struct bl_child child;
	struct bl_err err = { 0 };
	int status;

	if (bl_proc_spawn(&how, &child, &status, &err))
		return false;
	if (pid) {
		*pid = child.pid;
		return true;
	}
	return waitpid(child.pid, &status, 0) == child.pid && status == 0;
}

/* It says "ACCEPT 127.0.0.1:PORT" when it listens. */
static bool read_port(int fd)
{
	char text[256];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(text) - 1 && (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0) {
		char *at;

		len += (size_t)n;
		text[len] = '\0';
		at = strstr(text, "ACCEPT 127.0.0.1:");
		if (!at || !strchr(at, '\n'))
			continue;
		port = (unsigned)strtoul(at + 17, NULL, 10);
		return port != 0;
	}
	return false;
}

static void serve(const char *version)
{
	const char *const make[] = { "openssl",
		                     "req",
		                     "-x509",
		                     "-newkey",
		                     "ec",
		                     "-pkeyopt",
		                     "ec_paramgen_curve:prime256v1",
		                     "-nodes",
		                     "-keyout",
		                     "key.pem",
		                     "-out",
		                     "cert.pem",
		                     "-days",
		                     "2",
		                     "-subj",
		                     "/CN=localhost",
		                     "-addext",
		                     "subjectAltName=DNS:localhost",
		                     NULL };
	const char *const listen[] = { "openssl", "s_server", "-accept", "127.0.0.1:0",
		                       "-cert",   "cert.pem", "-key",    "key.pem",
		                       "-www",    version,    NULL };
	int pipes[2];

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	bool works = run_openssl(make, -1, NULL) && run_openssl(listen, pipes[1], &server);
	close(pipes[1]);
	works = works && read_port(pipes[0]);
	close(pipes[0]);
	if (!works)
		skip(); /* no openssl program, or one that is too old */
}

static void end_server(void)
{
	int status;

	assert_int_equal(kill(server, SIGKILL), 0);
	assert_int_equal(waitpid(server, &status, 0), server);
}

/* One GET: its error's code. */
static enum bl_code ask(struct bl_http *http, const char *host, struct bl_err *err)
{
	BL_AUTO(bl_http_reply) reply = { 0 };
	char url[64];
	struct bl_http_request request = { .method = "GET", .url = url, .reply_max = 1 << 20 };

	snprintf(url, sizeof(url), "https://%s:%u/", host, port);
	bl_err_clear(err);
	if (!bl_http_send(http, &request, &reply, err))
		assert_int_equal(reply.status, 200);
	assert_int_equal(reply.sent, err->code == BL_OK);
	return err->code;
}

static struct bl_http *open_with(const char *ca_file)
{
	struct bl_http_options options = { .ca_file = ca_file };
	struct bl_http *http = NULL;
	struct bl_err err = { 0 };

	must(bl_http_open(&options, &http, &err), &err);
	return http;
}

static void only_a_trusted_name_is_believed(void **state)
{
	struct bl_err err;

	(void)state;
	serve("-tls1_2");
	BL_HTTP trusting = open_with("cert.pem");
	assert_int_equal(ask(trusting, "localhost", &err), BL_OK);
	assert_int_equal(ask(trusting, "127.0.0.1", &err), BL_EDENIED); /* not its name */
	assert_non_null(strstr(err.next, "AWS_CA_BUNDLE"));
	assert_int_equal(ask(trusting, "localhost", &err), BL_OK);

	setenv("AWS_CA_BUNDLE", "cert.pem", 1);
	BL_HTTP told = open_with(NULL);
	unsetenv("AWS_CA_BUNDLE");
	assert_int_equal(ask(told, "localhost", &err), BL_OK);

	/* whatever this system trusts, it is not that */
	BL_HTTP other = open_with(NULL);
	if (other->trust.file[0])
		assert_int_equal(ask(other, "localhost", &err), BL_EDENIED);

	BL_HTTP mistaken = open_with("key.pem"); /* no certificate in it */
	assert_int_equal(ask(mistaken, "localhost", &err), BL_EINPUT);
	end_server();
}

/* The usual file may hold a company's CA that the directory beside it lacks. */
static void the_file_is_tried_where_the_directory_does_not_do(void **state)
{
	struct bl_err err;

	(void)state;
	serve("-tls1_3");
	assert_int_equal(mkdir("hashed", 0700), 0);
	BL_HTTP http = open_with("cert.pem");
	memcpy(http->trust.dir, "hashed", 7);
	assert_int_equal(ask(http, "localhost", &err), BL_OK);
	assert_string_equal(http->trust.dir, "");
	assert_int_equal(ask(http, "127.0.0.1", &err), BL_EDENIED);

	BL_HTTP again = open_with("cert.pem");
	memcpy(again->trust.dir, "hashed", 7);
	assert_int_equal(ask(again, "127.0.0.1", &err), BL_EDENIED);
	assert_int_equal(ask(again, "localhost", &err), BL_OK);
	end_server();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(only_a_trusted_name_is_believed),
		IN_SCRATCH(the_file_is_tried_where_the_directory_does_not_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
