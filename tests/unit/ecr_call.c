/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/ecr_call.h"

#include "aws/ecr.h"
#include "codec/json.h"
#include "run/image_login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS 5

struct told {
	struct bl_login login;
	char digest[72];
};

static int call(struct bl_logins *logins, char *const words[WORDS], struct told *told,
                struct bl_err *err)
{
	bool again = !strcmp(words[0], "again");
	struct bl_aws *aws;

	if (again || !strcmp(words[0], "login"))
		return bl_logins_get(logins, words[1], again, &told->login, err);
	if (bl_logins_aws(logins, &aws, err))
		return -1;
	if (!strcmp(words[0], "tag"))
		return bl_ecr_tag(aws, words[1], words[2], words[3], words[4], told->digest, err);
	return bl_ecr_create(aws, words[1], words[2], words[3], err);
}

static int say(const struct told *told, const struct bl_err *err)
{
	BL_AUTO(bl_buf) line = BL_BUF(64 << 10);
	struct bl_json json = BL_JSON(&line);

	bl_json_map(&json, NULL);
	bl_json_int(&json, "code", err->code);
	bl_json_text(&json, "text", err->text);
	bl_json_text(&json, "next", err->next);
	bl_json_text(&json, "user", told->login.user);
	bl_json_text(&json, "password", bl_secret_text(&told->login.password));
	bl_json_text(&json, "digest", told->digest);
	bl_json_end_map(&json);
	return puts(bl_buf_text(&line)) < 0 || fflush(stdout) ? -1 : 0;
}

static int one_line(struct bl_logins *logins, char *line)
{
	static char none[] = "";
	char *words[WORDS] = { none, none, none, none, none }, *at = line;
	struct told told = { 0 };
	struct bl_err err = { 0 };
	int rc;

	for (size_t i = 0; i < WORDS && at; i++)
		words[i] = strsep(&at, " \n");
	rc = call(logins, words, &told, &err);
	if ((rc != 0) != (err.code != BL_OK))
		return -1;
	rc = say(&told, &err);
	bl_login_done(&told.login);
	return rc;
}

int ecr_calls(void)
{
	struct bl_logins *logins = NULL;
	struct bl_err err = { 0 };
	char *line = NULL;
	size_t room = 0;
	int rc = bl_logins_open(NULL, &logins, &err);

	while (!rc && getline(&line, &room, stdin) > 0)
		rc = one_line(logins, line);
	free(line);
	bl_logins_close(logins);
	return rc ? 1 : 0;
}
