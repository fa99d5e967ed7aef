/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/canned_serve.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct canned {
	pid_t pid;
	unsigned port;
	int go; /* a byte for each canned_go() */
	struct canned_seen *seen;
};

struct canned *canned_start(const struct canned_reply *replies, size_t n)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	struct canned *server = calloc(1, sizeof(*server));
	int go[2], listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(server && !pipe(go) && listener >= 0 &&
	            !bind(listener, (struct sockaddr *)&address, sizeof(address)) &&
	            !listen(listener, 128) &&
	            !getsockname(listener, (struct sockaddr *)&address, &len));
	server->port = ntohs(address.sin_port);
	server->go = go[1];
	server->seen = mmap(NULL, sizeof(*server->seen), PROT_READ | PROT_WRITE,
	                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(server->seen != MAP_FAILED);
	server->pid = fork();
	assert_true(server->pid >= 0);
	if (!server->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(go[1]);
		canned_serve(listener, go[0], replies, n, server->seen);
	}
	close(go[0]);
	close(listener);
	return server;
}

void canned_stop(struct canned *server)
{
	int status;

	if (!server)
		return;
	kill(server->pid, SIGKILL);
	assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
	munmap(server->seen, sizeof(*server->seen));
	close(server->go);
	/* it ends by itself only when a test asks for more than it can do */
	assert_true(WIFSIGNALED(status));
	free(server);
}

unsigned canned_port(const struct canned *server)
{
	return server->port;
}

const char *canned_url(const struct canned *server, const char *path)
{
	static char urls[8][8192];
	static unsigned next;
	char *url = urls[next++ % 8];

	snprintf(url, sizeof(urls[0]), "http://127.0.0.1:%u%s", server->port, path);
	return url;
}

void canned_go(struct canned *server)
{
	assert_int_equal(write(server->go, "", 1), 1);
}

size_t canned_connections(const struct canned *server)
{
	return server->seen->n_connections;
}

size_t canned_requests(const struct canned *server)
{
	return server->seen->n_requests;
}

const char *canned_head(const struct canned *server, size_t i)
{
	assert_true(i < server->seen->n_requests);
	return server->seen->text + server->seen->requests[i].head;
}

const char *canned_body(const struct canned *server, size_t i, size_t *len)
{
	assert_true(i < server->seen->n_requests);
	if (len)
		*len = server->seen->requests[i].body_len;
	return server->seen->text + server->seen->requests[i].body;
}
