/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_parts.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where systems keep them: Debian; Amazon Linux and Red Hat; Alpine. */
static const char *const usual_files[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/cert.pem",
};

static const char *named_file(const char *ca_file)
{
	static const char *const names[] = { "AWS_CA_BUNDLE", "SSL_CERT_FILE" };

	if (ca_file && ca_file[0])
		return ca_file;
	for (size_t i = 0; i < BL_COUNT(names); i++) {
		const char *value = getenv(names[i]);

		if (value && value[0])
			return value;
	}
	return NULL;
}

static const char *usual_file(void)
{
	for (size_t i = 0; i < BL_COUNT(usual_files); i++)
		if (!access(usual_files[i], R_OK))
			return usual_files[i];
	return NULL;
}

/* "5ed36f99.0" */
static bool is_hash_name(const char *name)
{
	return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' && name[9] >= '0' &&
	       name[9] <= '9';
}

static bool is_hashed(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		found = is_hash_name(entry->d_name);
	closedir(dir);
	return found;
}

int bl_http_trust_find(const char *ca_file, struct bl_http_trust *trust, struct bl_err *err)
{
	struct bl_http_trust found = { 0 };
	const char *named = named_file(ca_file), *file = named ? named : usual_file();

	if (named && access(named, R_OK)) {
		bl_fail(err, BL_EINPUT, "CA file '%s' cannot be read: %m", named);
		return bl_next(err,
		               "name a PEM file in AWS_CA_BUNDLE or SSL_CERT_FILE, or unset it");
	}
	if (file && strlen(file) >= sizeof(found.file))
		return bl_fail(err, BL_EINPUT, "the path of the CA file is too long");
	if (file)
		memcpy(found.file, file, strlen(file) + 1);
	/* Loading the file costs 27 ms, a hashed directory next to nothing. */
	if (file == usual_files[0] && is_hashed("/etc/ssl/certs"))
		memcpy(found.dir, "/etc/ssl/certs", sizeof("/etc/ssl/certs"));
	*trust = found;
	return 0;
}

void bl_http_ca_file(char *path, size_t size)
{
	const char *named = named_file(NULL), *file = named ? named : usual_file();

	snprintf(path, size, "%s", file ? file : "");
}

static bool is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!$%&'*+-.^_`|~", c));
}

const char *bl_http_user_agent(void)
{
	static _Thread_local char text[128];
	const char *app = getenv("AWS_SDK_UA_APP_ID");
	size_t len = strlen("branchline/" BL_VERSION);

	memcpy(text, "branchline/" BL_VERSION, len + 1);
	if (!app || !app[0])
		return text;
	memcpy(text + len, " app/", 5);
	len += 5;
	/* AWS: at most 50 characters, those of a token */
	for (size_t i = 0; i < 50 && app[i]; i++)
		text[len++] = is_token(app[i]) ? app[i] : '-';
	text[len] = '\0';
	return text;
}
