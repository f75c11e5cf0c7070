/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
/*
 * The agent's configuration as a whole: rules, what each must look like, what one setting demands of
 * another, and that a wrong file changes nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_agent_fixture.h"
#include "oom.h"

static void without_a_file_the_defaults_of_the_agent_hold(void **state)
{
	struct retention kept;
	struct target_settings settings;
	struct load l;

	(void)state;
	loaded(&l, NULL);
	assert_int_equal(l.config.mode, AGENT_MODE_STANDARD);
	assert_int_equal(l.config.level, AGENT_LEVEL_MEDIUM);
	assert_true(l.config.budget_percent == 1.0);
	assert_true(l.config.sampling_interval_ns == 10 * SECOND_NS);
	assert_true(l.config.leak_detection_interval_ns == 60 * SECOND_NS);
	assert_true(l.config.enable_leak_detection && l.config.enable_component_tracking);
	assert_true(l.config.enable_gc_monitoring && l.config.enable_recommendations);
	for (size_t i = 0; i < AGENT_BACKEND_COUNT; i++)
		assert_true(config_has_backend(&l.config, (enum agent_backend)i));
	assert_string_equal(l.config.listen, "127.0.0.1:7654");
	assert_string_equal(l.config.store, "/var/lib/holdfast");
	assert_null(l.config.token_file);
	assert_int_equal(l.config.agent.targets.count, 0);
	assert_true(l.config.agent.fleet.interval_ns == 60 * SECOND_NS);
	config_target_settings(&l.config, NULL, &settings);
	assert_true(settings.budget_percent == 1.0 && settings.max_stop_ns == SECOND_NS * 3 / 10);
	assert_true(!settings.warning_bytes && !settings.critical_bytes);
	config_retention(&l.config, &kept);
	assert_true(kept.raw_ns == 3600 * SECOND_NS && kept.profiles == 200);
	assert_true(kept.max_bytes == 1024 * MB);
	load_done(&l);
}

static void every_single_setting_of_the_product_is_read(void **state)
{
	static const char text[] = "memory_profiling:\n"
				   "  mode: production\n"
				   "  level: detailed\n"
				   "  sampling_interval: 0.5\n"
				   "  memory_warning_threshold_mb: 500.0\n"
				   "  memory_critical_threshold_mb: 1000\n"
				   "  memory_growth_rate_threshold_mb_per_min: 1.5\n"
				   "  enable_leak_detection: false\n"
				   "  enable_component_tracking: true\n"
				   "  enable_gc_monitoring: false\n"
				   "  enable_recommendations: true\n"
				   "  leak_detection_interval: 2m\n"
				   "  enabled_backends: [gc, tracemalloc, mmap]\n"
				   "  listen: '[::1]:80'\n"
				   "  store: data\n"
				   "  budget: 0.25%\n";
	struct load l;

	(void)state;
	loaded(&l, text);
	assert_int_equal(l.config.mode, AGENT_MODE_PRODUCTION);
	assert_int_equal(l.config.level, AGENT_LEVEL_DETAILED);
	assert_true(l.config.sampling_interval_ns == SECOND_NS / 2);
	assert_true(l.config.memory_warning_bytes == 500 * MB);
	assert_true(l.config.memory_critical_bytes == 1000 * MB);
	assert_true(l.config.memory_growth_bytes_per_second == 1.5 * (double)MB / 60);
	assert_false(l.config.enable_leak_detection || l.config.enable_gc_monitoring);
	assert_true(l.config.leak_detection_interval_ns == 120 * SECOND_NS);
	assert_true(
		l.config.enabled_backends ==
		(1 << AGENT_BACKEND_GC | 1 << AGENT_BACKEND_TRACEMALLOC | 1 << AGENT_BACKEND_MMAP));
	assert_false(config_has_backend(&l.config, AGENT_BACKEND_NATIVE));
	assert_string_equal(l.config.store, "data");
	assert_true(l.config.budget_percent == 0.25);
	load_done(&l);
}

static void rules_for_targets_are_read_and_override(void **state)
{
	static const char text[] =
		"memory_profiling:\n"
		"  memory_warning_threshold_mb: 10\n"
		"  targets:\n"
		"    - {name: web, comm: 'py*', user: root, above: 5MiB, children: true,\n"
		"       mode: debug, level: low, memory_warning_threshold_mb: 0,\n"
		"       memory_critical_threshold_mb: 7, cmdline: 'a (b|[c)]{2,3}){10}x+',\n"
		"       memory_growth_rate_threshold_mb_per_min: 60}\n"
		"    - pid: 4312\n"
		"      user: 0\n";
	struct target_settings settings;
	const struct target_rule *rule;
	struct load l;

	(void)state;
	loaded(&l, text);
	assert_int_equal(l.config.agent.targets.count, 2);
	rule = &l.config.agent.targets.items[0];
	assert_string_equal(rule->name, "web");
	assert_string_equal(rule->cmdline, "a (b|[c)]{2,3}){10}x+");
	assert_true(rule->uid == 0 && rule->above_bytes == 5 * MB && rule->children);
	assert_null(rule->exe);
	assert_int_equal(rule->line, 4);
	assert_int_equal(rule->column, 7);
	config_target_settings(&l.config, rule, &settings);
	assert_int_equal(settings.mode, AGENT_MODE_DEBUG);
	assert_int_equal(settings.level, AGENT_LEVEL_LOW);
	assert_true(settings.warning_bytes == 0 && settings.critical_bytes == 7 * MB);
	assert_true(settings.growth_bytes_per_second == (double)MB);
	assert_true(settings.budget_percent == 100);
	rule = &l.config.agent.targets.items[1];
	assert_null(rule->name);
	assert_int_equal(rule->pid, 4312);
	assert_int_equal(rule->uid, 0);
	assert_int_equal(rule->mode, RULE_INHERITS);
	assert_false(rule->children);
	config_target_settings(&l.config, rule, &settings);
	assert_int_equal(settings.mode, AGENT_MODE_STANDARD);
	assert_true(settings.warning_bytes == 10 * MB && settings.critical_bytes == 0);
	load_done(&l);
	loaded(&l, "memory_profiling: {targets: [{comm: x}]}");
	assert_int_equal(l.config.agent.targets.items[0].uid, -1);
	load_done(&l);
}

static void components_and_spans_are_read(void **state)
{
	static const char text[] =
		"memory_profiling:\n"
		"  components:\n"
		"    - {name: core, function: 'engine_*', thread: 'w-*'}\n"
		"    - {name: plugins, python_module: 'src.plugins.*'}\n"
		"    - {name: plugins, function: 'plugin_*'}\n"
		"  spans:\n"
		"    - {name: session, enter: handle_session, leave: end, key: arg2, type: int}\n"
		"    - {name: request, enter: 'app.web:Server.handle', key: user}\n"
		"    - {name: job, enter: 'pkg.mod:run'}\n"
		"    - {name: page, enter: 'libx.so.2:ns::render'}\n"
		"    - {name: step, enter: 'ns::Flow::step'}\n";
	const struct span_spec *span;
	struct load l;

	(void)state;
	loaded(&l, text);
	assert_int_equal(l.config.agent.components.count,
			 3); /* two rules of one name are one component */
	assert_string_equal(l.config.agent.components.items[0].thread, "w-*");
	assert_null(l.config.agent.components.items[0].module);
	span = l.config.agent.spans.items;
	assert_int_equal(l.config.agent.spans.count, 5);
	assert_true(span[0].argument == 2 && span[0].type == SPAN_TYPE_INT && !span[0].python);
	assert_string_equal(span[0].leave, "end");
	assert_true(span[1].argument == 0 && span[1].type == SPAN_TYPE_STRING && span[1].python);
	assert_string_equal(span[1].key, "user");
	assert_true(span[2].python && !span[3].python && !span[4].python);
	assert_null(span[2].key);
	load_done(&l);
}

static void alerts_retention_and_fleet_are_read(void **state)
{
	static const char text[] =
		"memory_profiling:\n"
		"  alerts:\n"
		"    webhook: [{url: 'https://a.example/x?y', secret: s}, {url: 'http://[::1]:8/'}]\n"
		"    alertmanager:\n"
		"      - url: http://u:p@b:9093\n"
		"    log: {format: json, level: debug, debug: [probe, session]}\n"
		"  retention: {raw: 2h, profiles: 7}\n"
		"  fleet: {clickhouse: 'http://c:8123', service: s, version: 2.1, host: h,\n"
		"          labels: {region: north, rack: 12}, interval: 5s}\n";
	const struct agent_config *agent;
	struct retention kept;
	struct load l;

	(void)state;
	loaded(&l, text);
	agent = &l.config.agent;
	assert_int_equal(agent->alerts.webhooks.count, 2);
	assert_string_equal(agent->alerts.webhooks.items[0].secret, "s");
	assert_null(agent->alerts.webhooks.items[1].secret);
	assert_string_equal(agent->alerts.managers.items[0].url, "http://u:p@b:9093");
	assert_int_equal(agent->alerts.log.format, ALERT_LOG_JSON);
	assert_int_equal(agent->alerts.log.debug.count, 2);
	config_retention(&l.config, &kept);
	assert_true(kept.raw_ns == 7200 * SECOND_NS && kept.profiles == 7);
	assert_true(kept.minutes_ns == 7 * 86400 * SECOND_NS);
	assert_string_equal(agent->fleet.version, "2.1");
	assert_int_equal(agent->fleet.labels.count, 2);
	assert_string_equal(agent->fleet.labels.items[1].value, "12");
	assert_true(agent->fleet.interval_ns == 5 * SECOND_NS);
	assert_null(agent->fleet.pyroscope);
	load_done(&l);
}

/* One line below `memory_profiling:`, and the problem that it is. */
static const struct {
	const char *line, *problem;
} wrong[] = {
	{"mode: fast", "2:9: mode: 'fast' is not understood; it takes one of off, basic"},
	{"level: 3", "2:10: level: '3' is not understood; it takes one of low"},
	{"sampling_interval: 0",
	 "2:22: sampling_interval: '0' is out of range; it takes a number of"},
	{"sampling_interval: -1", "2:22: sampling_interval: '-1' is not understood"},
	{"sampling_interval: 2d", "2:22: sampling_interval: '2d' is out of range"},
	{"memory_warning_threshold_mb: 5MiB", "2:32: memory_warning_threshold_mb: '5MiB' is not"},
	{"enable_gc_monitoring: perhaps",
	 "2:25: enable_gc_monitoring: 'perhaps' is not understood"},
	{"enabled_backends: [gc, gcc]",
	 "2:26: enabled_backends: 'gcc' is not understood; it takes all"},
	{"enabled_backends: []", "2:21: this list is empty"},
	{"enabled_backends: gc,,native", "2:21: enabled_backends: 'gc,,native' is not"},
	{"listen: localhost", "2:11: listen: 'localhost' is not understood; it takes IP:PORT"},
	{"listen: 0.0.0.0:80", "2:11: others can reach this address, and there is no token"},
	{"token_file: /nonexistent", "2:15: '/nonexistent' cannot be read: No such file"},
	{"token_file: " FILE_NAME, "2:15: this file does not hold the 64 hex digits"},
	{"store: ''", "2:10: store is empty"},
	{"check: true", "2:3: there is no setting 'check'"},
	{"target: []", "2:3: there is no setting 'target'; did you mean targets?"},
	{"sampling_intervall: 1",
	 "2:3: there is no setting 'sampling_intervall'; did you mean samp"},
	{"targets: {comm: x}", "2:12: targets: a list is wanted here"},
	{"targets: x", "2:12: targets: a list is wanted here"},
	{"targets: [x]", "2:13: targets: a mapping is wanted here"},
	{"targets: [{}]", "2:13: the target has no condition; one of comm, exe, cmdline"},
	{"targets: [{name: x, mode: off}]", "2:13: the target has no condition"},
	{"targets: [{com: x, comm: x}]", "2:14: a target has no 'com'; did you mean comm?"},
	{"targets: [{comm: x, zzzzz: x}]",
	 "2:23: a target has no 'zzzzz'; it takes name, comm, exe"},
	{"targets: [{comm: [x]}]", "2:20: comm: a plain value is wanted here"},
	{"targets: [{comm: ''}]", "2:20: comm is empty"},
	{"targets: [{comm: abcdefghijklmnop}]",
	 "2:20: comm: 'abcdefghijklmnop' is not understood: th"},
	{"targets: [{exe: 'a['}]", "2:19: exe: 'a[' is not understood: a [ has no ]"},
	{"targets: [{exe: 'a\\'}]", "2:19: exe: 'a\\\\' is not understood: nothing follows the la"},
	{"targets: [{cmdline: '('}]", "2:23: cmdline: '(' is not understood: Unmatched ("},
	{"targets: [{cmdline: '((((a+)+{90}){90}){90})'}]",
	 "2:23: cmdline: '((((a+)+{90}){90}){90})' is not understood: its repetitions are too many"},
	{"targets: [{container: XYZ}]",
	 "2:25: container: 'XYZ' is not understood; it takes 4 to 64"},
	{"targets: [{user: nobodysuch}]",
	 "2:20: user: 'nobodysuch' is not understood: this machine"},
	{"targets: [{user: 4294967295}]", "2:20: user: '4294967295' is not understood: a uid is"},
	{"targets: [{pid: 0}]", "2:19: pid: '0' is out of range"},
	{"targets: [{above: many}]", "2:21: above: 'many' is not understood; it takes a size"},
	{"targets: [{comm: x, mode: fast}]", "2:29: mode: 'fast' is not understood"},
	{"targets: [{comm: x, name: a}, {comm: y, name: a}]",
	 "2:49: there is a target 'a' already"},
	{"components: [{name: a}]", "2:16: the component has no condition; one of function"},
	{"components: [{function: a}]", "2:16: the component has no name"},
	{"components: [{name: other, unit: a}]", "2:23: name: 'other' is taken"},
	{"spans: [{name: a, enter: f}, {name: a, enter: g}]", "2:39: there is a span 'a' already"},
	{"spans: [{name: a}]", "2:11: the span has no enter"},
	{"spans: [{name: a, enter: f, key: arg0}]",
	 "2:36: key: 'arg0' is not understood: arguments"},
	{"spans: [{name: a, enter: f, key: arg7}]",
	 "2:36: key: 'arg7' is not understood: arguments"},
	{"spans: [{name: a, enter: f, key: 1x}]",
	 "2:36: key: '1x' is not understood; it takes arg1"},
	{"spans: [{name: a, enter: f, key: user}]", "2:28: enter: this is no Python function"},
	{"spans: [{name: a, enter: 'm:f', leave: g}]", "2:42: leave: a span of Python has none"},
	{"spans: [{name: a, enter: ':f'}]", "2:28: enter: ':f' is not understood: one colon"},
	{"spans: [{name: a, enter: 'a:b:c'}]", "2:28: enter: 'a:b:c' is not understood: one colon"},
	{"spans: [{name: a, enter: f, type: float}]",
	 "2:37: type: 'float' is not understood; it tak"},
	{"alerts: []", "2:11: alerts: a mapping is wanted here"},
	{"alerts: {webhook: [{secret: a}]}", "2:22: the webhook has no url"},
	{"alerts: {webhook: [{url: 'http://a', secret: ''}]}", "2:48: secret is empty"},
	{"alerts: {webhook: [{url: 'ftp://a'}]}",
	 "2:28: url: 'ftp://a' is not understood: it does not"},
	{"alerts: {webhook: [{url: 'http://'}]}",
	 "2:28: url: 'http://' is not understood: it names n"},
	{"alerts: {webhook: [{url: 'http://a:0'}]}",
	 "2:28: url: 'http://a:0' is not understood: the p"},
	{"alerts: {webhook: [{url: 'http://a b'}]}",
	 "2:28: url: 'http://a b' is not understood: it has"},
	{"alerts: {webhook: [{url: 'http://[:8'}]}",
	 "2:28: url: 'http://[:8' is not understood: a ["},
	{"alerts: {log: {debug: [Probe]}}", "2:26: debug: 'Probe' is not understood"},
	{"retention: {raw: 30d}", "2:14: finer samples are kept longer than coarser ones"},
	{"retention: {raw: forever}", "2:20: raw: 'forever' is not understood; it takes a time"},
	{"fleet: {labels: [a]}", "2:19: labels: a mapping is wanted here"},
	{"fleet: {labels: {a-b: c}}", "2:20: a label's name has letters"},
	{"fleet: {labels: {a: ''}}", "2:23: a label is a text"},
	{"fleet: {labels: {a: b, a: c}}", "2:26: the setting a stands here a second time"},
	{"fleet: {interval: 1ms}", "2:21: interval: '1ms' is out of range; it takes a time"},
};

static void each_wrong_setting_is_one_problem_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[200], problem[200];
		struct load l;

		snprintf(text, sizeof(text), "memory_profiling:\n  %s\n", wrong[i].line);
		snprintf(problem, sizeof(problem), FILE_NAME ":%s", wrong[i].problem);
		load(&l, text);
		if (l.result != -EINVAL || l.err.code != HF_E_CONFIG ||
		    config_problems_count(&l.problems) != 1 ||
		    strncmp(l.text.buf, problem, strlen(problem)) != 0)
			fail_msg("'%s' gave '%s', wanted '%s'", wrong[i].line, l.text.buf, problem);
		load_done(&l);
	}
}

static void thresholds_must_not_cross(void **state)
{
	struct load l;

	(void)state;
	load(&l, "memory_profiling:\n  memory_warning_threshold_mb: 5\n"
		 "  memory_critical_threshold_mb: 5\n");
	assert_ptr_equal(strstr(l.text.buf, FILE_NAME ":2:32: the warning threshold is not below"),
			 l.text.buf);
	load_done(&l);
	/* one of a rule, the other general */
	load(&l, "memory_profiling:\n  memory_critical_threshold_mb: 5\n  targets:\n"
		 "    - comm: a\n    - comm: b\n      memory_warning_threshold_mb: 6\n");
	assert_ptr_equal(strstr(l.text.buf, FILE_NAME ":5:7: the warning threshold is not below"),
			 l.text.buf);
	load_done(&l);
	loaded(&l, "memory_profiling: {memory_warning_threshold_mb: 5, "
		   "memory_critical_threshold_mb: 0}");
	load_done(&l);
}

static void all_problems_are_told_at_once_in_the_order_of_the_file(void **state)
{
	static const char *const in_order[] = {
		":2:9: ", ":3:3: ", ":5:7: ", ":6:13: ", ":7:11: ", ":8:3: ", ":9:1: "};
	const char *at;
	struct load l;

	(void)state;
	load(&l, "memory_profiling:\n  mode: x\n  levle: low\n  targets:\n    - name: a\n"
		 "    - user: nobodysuch\n  listen: 1.2.3.4:5\n  mode: off\n}\n");
	at = l.text.buf;
	assert_int_equal(config_problems_count(&l.problems),
			 sizeof(in_order) / sizeof(in_order[0]));
	for (size_t i = 0; i < sizeof(in_order) / sizeof(in_order[0]); i++) {
		at = strstr(at, in_order[i]);
		if (!at)
			fail_msg("%s is missing in '%s'", in_order[i], l.text.buf);
	}
	/* the error for a user is the first, and knows of the others */
	assert_non_null(strstr(l.err.what.buf, FILE_NAME ":2:9: mode: 'x'"));
	assert_non_null(strstr(l.err.fix.buf, "6 more"));
	load_done(&l);
}

/* What reading did not come to is not missed. */
static void an_error_of_syntax_is_told_with_what_stands_before_it(void **state)
{
	struct load l;

	(void)state;
	load(&l, "memory_profiling:\n  mode: x\n  targets:\n    - name: a\n      \"\n");
	assert_int_equal(config_problems_count(&l.problems), 2);
	assert_non_null(strstr(l.text.buf, ":2:9: mode"));
	load_done(&l);
}

static void more_problems_than_are_kept_are_counted(void **state)
{
	struct strbuf text = STRBUF_INIT;
	struct load l;

	(void)state;
	strbuf_addstr(&text, "memory_profiling:\n");
	for (int i = 0; i < CONFIG_PROBLEMS_MAX + 5; i++)
		strbuf_addf(&text, "  nonsense%d: 1\n", i);
	load(&l, text.buf);
	assert_int_equal(config_problems_count(&l.problems), CONFIG_PROBLEMS_MAX + 5);
	assert_non_null(strstr(l.text.buf, "and 5 more"));
	load_done(&l);
	strbuf_done(&text);
}

static void names_of_modes_and_levels_are_the_choices(void **state)
{
	const char *modes = option_rows[OPT_mode].range, *levels = option_rows[OPT_level].range;
	struct strbuf text = STRBUF_INIT;
	struct load l;

	(void)state;
	for (size_t i = 0; i < AGENT_MODE_COUNT; i++)
		strbuf_addf(&text, "%s%s", i ? "|" : "", agent_mode_rows[i].name);
	assert_string_equal(text.buf, modes);
	strbuf_reset(&text);
	for (size_t i = 0; i < AGENT_LEVEL_COUNT; i++)
		strbuf_addf(&text, "%s%s", i ? "|" : "", agent_level_rows[i].name);
	assert_string_equal(text.buf, levels);
	strbuf_done(&text);
	loaded(&l, "memory_profiling: {enabled_backends: faults}");
	assert_true(l.config.enabled_backends == 1 << AGENT_BACKEND_FAULTS);
	assert_false(config_has_gauges(&l.config) || config_counts_collections(&l.config));
	assert_int_equal(AGENT_BACKEND_FAULTS, AGENT_BACKEND_COUNT - 1);
	load_done(&l);
}

static void modes_are_as_dear_as_they_say(void **state)
{
	const struct agent_mode_row *rows = agent_mode_rows;

	(void)state;
	assert_false(rows[AGENT_MODE_OFF].gauges);
	assert_true(rows[AGENT_MODE_BASIC].gauges && !rows[AGENT_MODE_BASIC].mappings);
	assert_int_equal(rows[AGENT_MODE_BASIC].traces, AGENT_NEVER);
	assert_true(rows[AGENT_MODE_STANDARD].budget_percent == 1);
	assert_int_equal(rows[AGENT_MODE_STANDARD].traces, AGENT_WHEN_GROWING);
	assert_int_equal(rows[AGENT_MODE_STANDARD].scans, AGENT_NEVER);
	assert_true(rows[AGENT_MODE_ADVANCED].components && rows[AGENT_MODE_ADVANCED].python);
	assert_int_equal(rows[AGENT_MODE_ADVANCED].scans, AGENT_WHEN_SUSPECTED);
	assert_true(rows[AGENT_MODE_PRODUCTION].budget_percent == 0.5);
	assert_true(rows[AGENT_MODE_PRODUCTION].max_stop_ns == 50000000);
	assert_int_equal(rows[AGENT_MODE_PRODUCTION].scans, AGENT_WHEN_PERSISTENT);
	assert_true(rows[AGENT_MODE_DEBUG].exact);
	assert_int_equal(rows[AGENT_MODE_DEBUG].scans, AGENT_ALWAYS);
	for (size_t i = 1; i < AGENT_LEVEL_COUNT; i++)
		assert_true(agent_level_rows[i].sites_max > agent_level_rows[i - 1].sites_max);
}

static void a_budget_lowers_that_of_the_mode_and_does_not_raise_it(void **state)
{
	struct target_settings settings;
	struct load l;

	(void)state;
	loaded(&l, "memory_profiling: {mode: advanced}");
	config_target_settings(&l.config, NULL, &settings);
	assert_true(settings.budget_percent == 5);
	load_done(&l);
	loaded(&l, "memory_profiling: {mode: advanced, budget: 3%}");
	config_target_settings(&l.config, NULL, &settings);
	assert_true(settings.budget_percent == 3);
	load_done(&l);
	loaded(&l, "memory_profiling: {mode: production, budget: 3%}");
	config_target_settings(&l.config, NULL, &settings);
	assert_true(settings.budget_percent == 0.5);
	load_done(&l);
}

static void environment_and_command_line_stay_above_a_file_that_is_read_anew(void **state)
{
	const char *const args[] = {"--mode", "debug", "--enabled-backends", "gc,native", NULL};
	struct hf_error err = HF_ERROR_INIT;
	struct config base;
	struct load l;

	(void)state;
	setenv("HOLDFAST_SAMPLING_INTERVAL", "2", 1);
	assert_int_equal(config_init(&base), 0);
	assert_int_equal(
		config_parse_cli(&base, &command_rows[COMMAND_agent], 4, (char **)args, &err), 0);
	unsetenv("HOLDFAST_SAMPLING_INTERVAL");
	load_above(&l, "memory_profiling: {mode: basic, sampling_interval: 7, level: low}", &base);
	assert_int_equal(l.result, 0);
	assert_int_equal(l.config.mode, AGENT_MODE_DEBUG);
	assert_int_equal(l.config.level, AGENT_LEVEL_LOW);
	assert_true(l.config.sampling_interval_ns == 2 * SECOND_NS);
	assert_true(config_has_backend(&l.config, AGENT_BACKEND_NATIVE));
	assert_false(config_has_backend(&l.config, AGENT_BACKEND_MMAP));
	assert_string_equal(l.config.config_path, FILE_NAME);
	load_done(&l);
	/* that which was is as it was, also after a file that is wrong */
	load_above(&l, "memory_profiling: {level: lw}", &base);
	assert_int_equal(l.result, -EINVAL);
	assert_int_equal(base.mode, AGENT_MODE_DEBUG);
	assert_int_equal(base.level, AGENT_LEVEL_MEDIUM);
	load_done(&l);
	config_done(&base);
	error_done(&err);
}

static void a_wrong_setting_from_elsewhere_is_named_by_where_it_was_given(void **state)
{
	const char *const args[] = {"--listen", "0.0.0.0:1", NULL};
	struct hf_error err = HF_ERROR_INIT;
	struct config base;
	struct load l;

	(void)state;
	assert_int_equal(config_init(&base), 0);
	setenv("HOLDFAST_TOKEN_FILE", "", 1);
	assert_int_equal(
		config_parse_cli(&base, &command_rows[COMMAND_agent], 2, (char **)args, &err), 0);
	unsetenv("HOLDFAST_TOKEN_FILE");
	load_above(&l, NULL, &base);
	assert_ptr_equal(strstr(l.text.buf, "--listen: others can reach this address"), l.text.buf);
	load_done(&l);
	config_done(&base);
	error_done(&err);
}

/* Removes the # of each setting that is not given. */
static void give_all(char *text)
{
	for (char *line = text; *line; line = strchrnul(line, '\n') + 1) {
		if (!strncmp(line, "  #", 3) && (line[3] != ' ' || line[4] == ' '))
			memmove(line + 2, line + 3, strlen(line + 2));
	}
}

static void the_printed_defaults_are_the_defaults(void **state)
{
	struct strbuf text = STRBUF_INIT;
	struct load printed, none;

	(void)state;
	assert_int_equal(config_add_defaults(&text), 0);
	loaded(&printed, text.buf);
	load(&none, NULL);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (i == OPT_config_path || printed.config.source[i] == CONFIG_DEFAULT)
			continue;
		if (option_rows[i].kind == OPTION_PATH || option_rows[i].kind == OPTION_ADDRESS)
			continue;
		assert_memory_equal((char *)&printed.config + option_rows[i].offset,
				    (char *)&none.config + option_rows[i].offset,
				    option_rows[i].size);
	}
	assert_string_equal(printed.config.listen, none.config.listen);
	assert_string_equal(printed.config.store, none.config.store);
	assert_int_equal(printed.config.source[OPT_mode], CONFIG_FILE);
	load_done(&printed);
	load_done(&none);
	strbuf_done(&text);
}

static void the_example_for_an_assistant_is_one(void **state)
{
	struct load l;

	(void)state;
	loaded(&l, config_example());
	assert_int_equal(l.config.mode, AGENT_MODE_ADVANCED);
	assert_int_equal(l.config.agent.components.count, 5);
	assert_int_equal(l.config.agent.spans.count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_true(l.config.agent.spans.items[i].python);
	load_done(&l);
}

static void every_setting_is_printed_and_may_be_given(void **state)
{
	struct strbuf text = STRBUF_INIT;
	struct load l;
	char *token;

	(void)state;
	assert_int_equal(config_add_defaults(&text), 0);
	give_all(text.buf);
	token = strstr(text.buf, "  token_file:"); /* which names a file that is not there */
	token[2] = '#';
	loaded(&l, text.buf);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (option_rows[i].kind != OPTION_ACTION && i != OPT_config_path &&
		    i != OPT_token_file && l.config.source[i] != CONFIG_FILE)
			fail_msg("%s is not printed", option_rows[i].name);
	}
	assert_int_equal(l.config.agent.targets.count, 1);
	assert_string_equal(l.config.agent.targets.items[0].exe, "/usr/bin/python3*");
	assert_int_equal(l.config.agent.spans.items[0].argument, 1);
	assert_non_null(l.config.agent.components.items[0].unit);
	assert_non_null(l.config.agent.alerts.webhooks.items[0].secret);
	assert_int_equal(l.config.agent.alerts.log.debug.count, 2);
	assert_true(l.config.agent.retention.max_bytes == 1024 * MB);
	assert_int_equal(l.config.agent.fleet.labels.count, 1);
	load_done(&l);
	strbuf_done(&text);
}

static void every_failing_allocation_is_reported(void **state)
{
	static const char text[] =
		"memory_profiling:\n  targets: [{comm: a, user: root}, {comm: b, cmdline: c}]\n"
		"  components: [{name: a, unit: u}, {name: b, unit: u}]\n"
		"  spans: [{name: a, enter: 'b', leave: 'd'}]\n  mode: basic\n"
		"  alerts: {webhook: [{url: 'http://a'}], log: {debug: [a]}}\n"
		"  fleet: {labels: {a: b}}\n  alloc: [a(size=arg1)->ret]\n";
	const char *const args[] = {"--free", "f(ptr=arg1)", "--listen", "0.0.0.0:1", NULL};
	struct hf_error err = HF_ERROR_INIT;
	struct config base;

	(void)state;
	write_file(FILE_NAME, text);
	assert_int_equal(config_init(&base), 0);
	assert_int_equal(config_parse_cli(&base, &command_rows[COMMAND_agent], 2, (char **)args + 2,
					  &err),
			 0);
	for (long n = 1;; n++) {
		struct config_problems problems = CONFIG_PROBLEMS_INIT;
		struct config config;
		bool struck;
		int result;

		oom_arm(n);
		result = config_load_agent(FILE_NAME, &base, &config, &problems, &err);
		struck = oom_disarm();
		if (!struck) {
			assert_int_equal(result, -EINVAL); /* listen without a token */
			assert_int_equal(config_problems_count(&problems), 1);
			assert_true(n > 20);
			config_problems_done(&problems);
			break;
		}
		config_problems_done(&problems);
		if (result ==
		    -EINVAL) /* the last ones compose the error itself: it is cut, not lost */
			assert_int_equal(err.code, HF_E_CONFIG);
		else
			assert_int_equal(result, -ENOMEM);
	}
	for (long n = 1;; n++) {
		struct strbuf out = STRBUF_INIT;
		int result;

		oom_arm(n);
		result = config_add_defaults(&out);
		strbuf_done(&out);
		if (!oom_disarm()) {
			assert_int_equal(result, 0);
			break;
		}
		assert_int_equal(result, -ENOMEM);
	}
	config_done(&base);
	error_done(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_file_the_defaults_of_the_agent_hold),
		cmocka_unit_test(every_single_setting_of_the_product_is_read),
		cmocka_unit_test(rules_for_targets_are_read_and_override),
		cmocka_unit_test(components_and_spans_are_read),
		cmocka_unit_test(alerts_retention_and_fleet_are_read),
		cmocka_unit_test(each_wrong_setting_is_one_problem_with_its_place),
		cmocka_unit_test(thresholds_must_not_cross),
		cmocka_unit_test(all_problems_are_told_at_once_in_the_order_of_the_file),
		cmocka_unit_test(an_error_of_syntax_is_told_with_what_stands_before_it),
		cmocka_unit_test(more_problems_than_are_kept_are_counted),
		cmocka_unit_test(names_of_modes_and_levels_are_the_choices),
		cmocka_unit_test(modes_are_as_dear_as_they_say),
		cmocka_unit_test(a_budget_lowers_that_of_the_mode_and_does_not_raise_it),
		cmocka_unit_test(environment_and_command_line_stay_above_a_file_that_is_read_anew),
		cmocka_unit_test(a_wrong_setting_from_elsewhere_is_named_by_where_it_was_given),
		cmocka_unit_test(the_printed_defaults_are_the_defaults),
		cmocka_unit_test(the_example_for_an_assistant_is_one),
		cmocka_unit_test(every_setting_is_printed_and_may_be_given),
		cmocka_unit_test(every_failing_allocation_is_reported),
	};

	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
