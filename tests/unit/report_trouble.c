/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/report_trouble.h"

#include "codec/json.h"

static unsigned long seed;

static unsigned pick(unsigned below)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return (unsigned)(seed >> 33) % below;
}

/* Text that means something to somebody: Markdown, HTML, workflow commands, terminals, JSON. */
static void add_trouble(struct bl_buf *out, const char *key, unsigned parts)
{
	static const char *const trouble[] = {
		"<script>alert(1)</script>",
		"<!--",
		"-->",
		"</details>",
		"```",
		"````\n",
		"`",
		"@octocat",
		"[a](javascript:x)",
		"![i](http://e.com/x.png)",
		"http://e.com",
		"|",
		"\n",
		"\r",
		"\\",
		"\"",
		"'",
		"&lt;",
		"&",
		"]]>",
		"::error::",
		"\x1b[31m",
		"\xff",
		"\xe2\x80\xae",
		"%%{init:",
		"a",
		"loss",
		"_",
		"*",
		"#1",
		"$x$",
		"~~~",
		"\t",
		"</pre>",
		"</style>",
		"é",
		"漢",
		"1e-5",
	};
	BL_AUTO(bl_buf) text = BL_BUF(1u << 20);
	struct bl_json json = BL_JSON(out);

	for (unsigned i = 0; i < parts; i++)
		bl_buf_adds(&text, trouble[pick(BL_COUNT(trouble))]);
	bl_json_text(&json, key, bl_buf_text(&text));
}

/* A map's names must differ: a number goes before the closing quote. */
static void add_troubled_name(struct bl_buf *out, unsigned parts, unsigned number)
{
	BL_AUTO(bl_buf) name = BL_BUF(1u << 20);

	add_trouble(&name, NULL, parts);
	bl_buf_addf(out, "%.*s %u\"", (int)name.len - 1, bl_buf_text(&name), number);
}

static void add_troubled_map(struct bl_buf *out, const char *key, unsigned n, unsigned parts)
{
	bl_buf_addf(out, ",\"%s\":{\"first\":0", key);
	for (unsigned i = 0; i < n; i++) {
		bl_buf_addc(out, ',');
		add_troubled_name(out, parts, i);
		bl_buf_addc(out, ':');
		add_trouble(out, NULL, parts);
	}
	bl_buf_addc(out, '}');
}

static void add_troubled_side(struct bl_buf *out, const char *name, unsigned size)
{
	static const char *const status[] = { "success", "failure", "cancelled", "timeout" };
	static const char *const fields[] = { "job",   "branch",  "sha",       "subject", "place",
		                              "stage", "message", "next_step", "log" };

	bl_buf_addf(out, ",\"%s\":{\"run\":\"20261124T0900%02uZ-b1b2c3d4-bbbb\",\"attempts\":%u",
	            name, pick(60), pick(40));
	if (pick(4))
		bl_buf_addf(out, ",\"status\":\"%s\"", status[pick(4)]);
	for (size_t i = 0; i < BL_COUNT(fields); i++) {
		bl_buf_addc(out, ',');
		add_trouble(out, fields[i], pick(fields[i][0] == 'l' ? size * 8 + 1 : size + 1));
	}
	add_troubled_map(out, "params", pick(size * 2), size / 8 + 1);
	add_troubled_map(out, "data", pick(size), size / 8 + 1);
	bl_buf_adds(out, ",\"spent\":[");
	for (unsigned i = 0, n = pick(4); i < n; i++) {
		bl_buf_addf(out, "%s{\"usd_hour\":%u,\"on_demand\":1,\"ended\":%u,", i ? "," : "",
		            pick(3), pick(1u << 30));
		add_trouble(out, "type", 2);
		bl_buf_addc(out, ',');
		add_trouble(out, "instance", 2);
		bl_buf_addc(out, '}');
	}
	bl_buf_adds(out, "],\"lines\":[{\"attempt\":1}");
	for (unsigned i = 0; i < size; i++) {
		bl_buf_addf(out, ",{\"attempt\":%u,\"step\":%u,\"values\":{\"loss\":%d.%u",
		            1 + i / 20, i * 10 - i / 20 * pick(100), (int)pick(2000) - 1000,
		            pick(1000));
		bl_buf_addf(out, "e%d,\"g\":%s,", (int)pick(40) - 20, pick(5) ? "1" : "\"NaN\"");
		add_troubled_name(out, 1 + pick(4), pick(3));
		bl_buf_addf(out, ":%u}}", pick(100));
	}
	bl_buf_adds(out, "]}");
}

/* What stands around a run: its gate, samples, history, attempts. */
static void add_troubled_rest(struct bl_buf *out, unsigned size)
{
	static const char *const texts[] = { "store", "why", "label", "samples", "baseline_samples",
		                             "page" };

	for (size_t i = 0; i < BL_COUNT(texts); i++) {
		bl_buf_addc(out, ',');
		add_trouble(out, texts[i], pick(texts[i][0] == 's' ? size * 8 + 1 : size + 1));
	}
	bl_buf_addf(out, ",\"brief\":%s,\"history\":{\"pr\":%u,\"runs\":[",
	            pick(2) ? "true" : "false", pick(2));
	for (unsigned i = 0, n = pick(11); i < n; i++) {
		bl_buf_addf(out, "%s{\"created\":1,\"value\":%u,", i ? "," : "", pick(9));
		add_trouble(out, "word", 4);
		bl_buf_addc(out, ',');
		add_trouble(out, "sha", 4);
		bl_buf_addc(out, '}');
	}
	bl_buf_adds(out, "]}");
}

void troubled_report(unsigned long from, unsigned size, struct bl_buf *out)
{
	seed = from;
	bl_buf_adds(out, "{\"rules\":{\"value\":\"last\"");
	if (pick(2))
		bl_buf_adds(out, ",\"fail_if\":[\"loss>baseline*0.5\",\"&lt;details@a|`b`](x)<3\","
		                 "\"loss<-99999\"]");
	bl_buf_addc(out, '}');
	add_troubled_rest(out, size);
	add_troubled_side(out, "now", size);
	if (pick(3))
		add_troubled_side(out, "baseline", size);
	if (pick(3))
		add_troubled_side(out, "previous", size);
	bl_buf_addc(out, '}');
}
