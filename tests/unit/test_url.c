/* SPDX-License-Identifier: Apache-2.0 */
#include "net/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void urls_come_apart(void **state)
{
	static const struct {
		const char *text;
		bool tls;
		const char *host;
		unsigned port;
		bool port_given;
		const char *path, *query, *authority;
	} cases[] = {
		{ "https://h", true, "h", 443, false, "/", "", "h" },
		{ "http://h/", false, "h", 80, false, "/", "", "h" },
		{ "HTTPS://S3.Amazonaws.COM/A/b?C=d", true, "s3.amazonaws.com", 443, false, "/A/b",
		  "C=d", "s3.amazonaws.com" },
		{ "https://h:443/x", true, "h", 443, false, "/x", "", "h" },
		{ "http://h:80/x", false, "h", 80, false, "/x", "", "h" },
		{ "http://h:443", false, "h", 443, true, "/", "", "h:443" },
		{ "https://h:65535?q", true, "h", 65535, true, "/", "q", "h:65535" },
		{ "http://127.0.0.1:9000/b//k/../x", false, "127.0.0.1", 9000, true, "/b//k/../x",
		  "", "127.0.0.1:9000" },
		{ "http://[FD00:EC2::254]/latest", false, "fd00:ec2::254", 80, false, "/latest", "",
		  "[fd00:ec2::254]" },
		{ "https://[::1]:8443/?a=b?c/d", true, "::1", 8443, true, "/", "a=b?c/d",
		  "[::1]:8443" },
		{ "https://my_bucket.s3-x.example./%2F%41?", true, "my_bucket.s3-x.example.", 443,
		  false, "/%2F%41", "", "my_bucket.s3-x.example." },
		{ "https://h/a@b:c", true, "h", 443, false, "/a@b:c", "", "h" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		BL_AUTO(bl_buf) authority = BL_BUF(300);
		struct bl_url url;
		struct bl_err err = { 0 };

		if (bl_url_parse(cases[i].text, &url, &err))
			fail_msg("%s: %s", cases[i].text, err.text);
		assert_int_equal(url.tls, cases[i].tls);
		assert_string_equal(url.host, cases[i].host);
		assert_int_equal(url.port, cases[i].port);
		assert_int_equal(url.port_given, cases[i].port_given);
		assert_string_equal(url.path, cases[i].path);
		assert_string_equal(url.query, cases[i].query);
		bl_url_add_authority(&authority, &url);
		assert_string_equal(bl_buf_text(&authority), cases[i].authority);
	}
}

static void bad_urls_are_refused_and_say_why(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "neither https" },
		{ "h/x", "neither https" },
		{ "//h/x", "neither https" },
		{ "ftp://h/", "neither https" },
		{ "file:///etc/passwd", "neither https" },
		{ "https:/h", "neither https" },
		{ "https://", "no host" },
		{ "https:///x", "no host" },
		{ "https://:443/", "no host" },
		{ "https://user@h/", "user or password" },
		{ "https://user:secret@h/?token", "user or password" },
		{ "https://127.0.0.1:80@evil.example/", "user or password" },
		{ "https://h/x#y", "fragment" },
		{ "https://h/a b", "blank" },
		{ "https://h/a\nb", "blank" },
		{ "https://h/a\x7f", "blank" },
		{ "https://h/\xc3\xa9", "blank" },
		{ " https://h/", "blank" },
		{ "https://h\\x/", "character that no host has" },
		{ "https://h%2ex/", "character that no host has" },
		{ "https://a..b/", "empty label" },
		{ "https://.b/", "empty label" },
		{ "https://h:/", "port" },
		{ "https://h:0/", "port" },
		{ "https://h:65536/", "port" },
		{ "https://h:100000/", "port" },
		{ "https://h:8o/", "port" },
		{ "https://h:-1/", "port" },
		{ "https://h:80:80/", "port" },
		{ "https://[::1/", "bracket" },
		{ "https://[]/", "IPv6" },
		{ "https://[::1%25eth0]/", "IPv6" },
		{ "https://[127.0.0.1]/", "IPv6" },
		{ "https://[::1]x/", "between an address" },
		{ "https://::1/", "no host" },
	};
	static const struct bl_url untouched = { .port = 7, .host = "before" };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_url url = untouched;
		struct bl_err err = { 0 };

		if (!bl_url_parse(cases[i].text, &url, &err))
			fail_msg("taken: %s", cases[i].text);
		assert_int_equal(err.code, BL_EINPUT);
		if (!strstr(err.text, cases[i].why))
			fail_msg("%s: %s", cases[i].text, err.text);
		assert_null(strstr(err.text, "secret"));
		assert_null(strstr(err.text, "token"));
		assert_true(err.next[0]);
		assert_memory_equal(&url, &untouched, sizeof(url));
	}
}

/* A URL whose part of that size is filled with x. */
static int parse_long(const char *before, size_t n, struct bl_url *url, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(1 << 20);

	bl_buf_adds(&text, before);
	for (size_t i = 0; i < n; i++)
		bl_buf_addc(&text, 'x');
	return bl_url_parse(bl_buf_text(&text), url, err);
}

static void long_urls_have_a_limit(void **state)
{
	static const struct {
		const char *before;
		size_t most;
	} cases[] = {
		{ "https://", sizeof(((struct bl_url *)0)->host) - 1 },
		{ "https://h/", sizeof(((struct bl_url *)0)->path) - 2 },
		{ "https://h/?", sizeof(((struct bl_url *)0)->query) - 1 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_url url;
		struct bl_err err = { 0 };

		assert_int_equal(parse_long(cases[i].before, cases[i].most, &url, &err), 0);
		assert_int_equal(parse_long(cases[i].before, cases[i].most + 1, &url, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
		assert_non_null(strstr(err.text, "too long"));
	}
	/* an S3 key's 1,024 bytes, all of them encoded, behind a bucket's name */
	assert_true(sizeof(((struct bl_url *)0)->path) > 3 * 1024 + 1 + 63 + 1);
}

static void every_byte_is_encoded_as_sigv4_wants(void **state)
{
	static const char kept[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789-._~";

	(void)state;
	for (int c = 1; c < 256; c++) {
		BL_AUTO(bl_buf) name = BL_BUF(16);
		BL_AUTO(bl_buf) path = BL_BUF(16);
		char one[2] = { (char)c, '\0' }, back[16], wanted[2] = { (char)c, '\0' };

		bl_uri_add(&name, one, 1);
		bl_uri_add_path(&path, one, 1);
		assert_int_equal(name.len, strchr(kept, c) ? 1 : 3);
		if (c == '/')
			assert_string_equal(bl_buf_text(&path), "/");
		else
			assert_string_equal(bl_buf_text(&path), bl_buf_text(&name));
		memcpy(back, name.data, name.len + 1);
		assert_int_equal(bl_uri_decode(back), 1);
		assert_string_equal(back, wanted);
	}
	BL_AUTO(bl_buf) text = BL_BUF(64);
	bl_uri_add(&text, "a/b c+\xc3\xa9\0z", 10);
	assert_string_equal(bl_buf_text(&text), "a%2Fb%20c%2B%C3%A9%00z");
}

static void decoding_refuses_what_it_cannot_read(void **state)
{
	static const struct {
		const char *text, *decoded; /* NULL: refused */
	} cases[] = {
		{ "", "" },
		{ "a+b", "a+b" },
		{ "%41%2f%2F", "A//" },
		{ "%25%34%31", "%41" },
		{ "%", NULL },
		{ "%4", NULL },
		{ "a%4g", NULL },
		{ "%00", NULL },
		{ "ok%41%0", NULL },
		{ "%%41", NULL },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		char text[32];
		int got;

		memcpy(text, cases[i].text, strlen(cases[i].text) + 1);
		got = bl_uri_decode(text);
		assert_int_equal(got, cases[i].decoded ? (int)strlen(cases[i].decoded) : -1);
		assert_string_equal(text, cases[i].decoded ? cases[i].decoded : cases[i].text);
	}
}

static void hosts_are_known_by_their_address(void **state)
{
	static const struct {
		const char *host;
		bool loopback, metadata;
	} cases[] = {
		{ "localhost", true, false },
		{ "LOCALHOST", true, false },
		{ "127.0.0.1", true, false },
		{ "127.255.255.254", true, false },
		{ "::1", true, false },
		{ "0:0:0:0:0:0:0:1", true, false },
		{ "169.254.169.254", false, true },
		{ "169.254.170.2", false, true },
		{ "169.254.170.23", false, true },
		{ "fd00:ec2::254", false, true },
		{ "FD00:0EC2:0::0254", false, true },
		{ "fd00:ec2::23", false, true },
		{ "", false, false },
		{ "localhost.", false, false },
		{ "localhost.example", false, false },
		{ "127.1", false, false },
		{ "128.0.0.1", false, false },
		{ "127.0.0.1.example", false, false },
		{ "0127.0.0.1", false, false },
		{ "2130706433", false, false },
		{ "::ffff:127.0.0.1", false, false },
		{ "::2", false, false },
		{ "169.254.169.253", false, false },
		{ "169.254.169.2540", false, false },
		{ "fd00:ec2::25", false, false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		if (bl_host_is_loopback(cases[i].host) != cases[i].loopback)
			fail_msg("loopback: %s", cases[i].host);
		if (bl_host_is_metadata(cases[i].host) != cases[i].metadata)
			fail_msg("metadata: %s", cases[i].host);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_come_apart),
		cmocka_unit_test(bad_urls_are_refused_and_say_why),
		cmocka_unit_test(long_urls_have_a_limit),
		cmocka_unit_test(every_byte_is_encoded_as_sigv4_wants),
		cmocka_unit_test(decoding_refuses_what_it_cannot_read),
		cmocka_unit_test(hosts_are_known_by_their_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
