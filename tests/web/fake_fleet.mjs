// SPDX-License-Identifier: GPL-2.0-or-later
// Targets that were never there, and what an agent would know of them. Memory is a function of time, so a week of it costs nothing.
import {ATTACK, large, python, random, small} from './generate.mjs';

const MIB = 1048576, DAY = 86400, WEEK = 7 * DAY;
const NAMES = ['nginx', 'api-gateway', 'session-manager', 'plugin-manager', 'workflow-orchestrator', 'core-engine', 'postgres', 'redis-server', 'search-indexer', 'mail-relay', 'thumbnailer', 'billing', 'auth', 'scheduler', 'report-writer', 'cache-warmer', 'ingest', 'log-shipper'];
const PYTHON = new Set(['session-manager', 'plugin-manager', 'workflow-orchestrator', 'core-engine', 'billing', 'report-writer']);
const KINDS = ['steady', 'steady', 'steady', 'daily', 'sawtooth', 'steady', 'warming', 'steady', 'daily', 'steady'];
const EVENT_COUNT = 4000;

const iso = (seconds) => new Date(seconds * 1000).toISOString();
export const hex = (n) => (BigInt(n) * 0x9e3779b97f4a7c15n & 0xffffffffffffffffn).toString(16).padStart(16, '0');

/* Smooth noise from -1 to 1, the same at the same moment. */
function noise(seed, t) {
	const at = (i) => random(seed * 7919 + i)() * 2 - 1, i = Math.floor(t), f = t - i;
	return at(i) * (1 - f) + at(i + 1) * f;
}

export class Fleet {
	constructor({count = 220, clock}) {
		this.clock = clock || (() => Date.now() / 1000);
		this.began = this.clock();
		const rnd = random(20261127);
		this.targets = Array.from({length: count}, (_, i) => this.makeTarget(i, rnd));
		this.events = this.makeEvents(rnd);
		this.allLeaks = this.targets.flatMap((t) => this.makeLeaks(t));
		this.sessions = this.makeSessions();
		this.large = null;
	}

	now() {
		return this.clock();
	}

	makeTarget(i, rnd) {
		const name = i === 6 ? ATTACK : NAMES[i % NAMES.length] + (i >= NAMES.length ? '-' + Math.floor(i / NAMES.length) : '');
		const comm = name.slice(0, 15), base = MIB * Math.round(8 * 2 ** (rnd() * 7)), kind = i < 4 ? 'leak' : i % 29 === 5 || i === 36 ? 'leak' : KINDS[i % KINDS.length];
		const started = this.began - (i % 5 === 4 ? 2 * DAY * rnd() : WEEK + 30 * DAY * rnd());
		const t = {id: i + 1, pid: 1200 + i * 37, name, comm, kind, seed: i + 1, started, base: i === 0 ? 412 * MIB : base, python: PYTHON.has(NAMES[i % NAMES.length]) && i !== 6 ? '3.11.2' : null, traced: i < 4 || i % 29 === 5 || i === 36, ended: i % 37 === 36, span: 600 + rnd() * 20000};
		t.growth = kind === 'leak' ? [4.21, 1.35, 0.62, 0.18][i] || 0.02 + rnd() * 0.1 : kind === 'warming' ? 0.004 : 0; // MiB a minute
		t.limit = i % 3 === 0 ? 2 ** Math.ceil(Math.log2(Math.max(64 * MIB, t.base * 2.2))) : null;
		if (kind === 'leak')
			t.leakFrom = this.began - Math.min(WEEK, t.base * 0.9 / (t.growth * MIB / 60));
		if (t.ended)
			t.endedAt = this.began - rnd() * 2 * DAY;
		return t;
	}

	/* Bytes at a moment. */
	rss(t, at) {
		const day = at / DAY * 2 * Math.PI, wobble = t.base * 0.012 * noise(t.seed, at / 90) + t.base * 0.02 * noise(t.seed + 1000, at / 3600);
		const shapes = {
			steady: () => 0, daily: () => t.base * 0.25 * (1 + Math.sin(day)), sawtooth: () => t.base * 0.5 * (at % t.span / t.span), leak: () => Math.max(0, at - t.leakFrom) * t.growth * MIB / 60,
			warming: () => t.base * 0.6 * (1 - Math.exp(-Math.max(0, at - t.started) / (3 * DAY))),
		};
		return Math.max(MIB, Math.round((t.base + shapes[t.kind]() + wobble) / 4096) * 4096);
	}

	thresholds(t) {
		const warning = Math.max(500, t.base / MIB * 1.6) * MIB;
		return {warning_bytes: Math.round(warning), critical_bytes: Math.round(warning * (t.id === 1 ? 1.12 : 1.5)), growth_mb_per_min: 1};
	}

	brief(t) {
		const now = this.now(), end = t.ended ? t.endedAt : now, rss = this.rss(t, end), limits = this.thresholds(t);
		const growth = t.growth + 0.002 * noise(t.seed, now / 60), leaks = this.allLeaks.filter((l) => l.target === t.id && l.active).length;
		const state = t.ended ? 'ended' : rss > limits.critical_bytes ? 'critical' : rss > limits.warning_bytes || growth > limits.growth_mb_per_min ? 'warning' : t.growth > 0.01 ? 'growing' : 'ok';
		return {
			id: t.id, pid: t.pid, name: t.name, comm: t.comm, exe: t.python ? '/usr/bin/python3.11' : '/usr/sbin/' + NAMES[(t.id - 1) % NAMES.length], unit: t.id % 4 ? NAMES[(t.id - 1) % NAMES.length] + '.service' : null, container: t.id % 4 ? null : hex(t.id) + hex(t.id + 900), cgroup: '/system.slice', user: t.id % 7 ? 'www-data' : 'root', rule: t.python ? 'python' : 'servers',
			started_at: iso(t.started), first_seen: iso(Math.max(t.started, this.began - WEEK)), last_seen: iso(end), ended_at: t.ended ? iso(t.endedAt) : null, end_reason: t.ended ? (t.id % 2 ? 'oom' : 'ended') : '', end: t.ended && t.id % 2 ? this.killed(t) : null, state, traced: t.traced && !t.ended, python: t.python,
			rss_bytes: rss, vms_bytes: rss * 2 + 300 * MIB, pss_bytes: Math.round(rss * 0.96), uss_bytes: Math.round(rss * 0.91), swap_bytes: 0, heap_live_bytes: t.traced ? Math.round(rss * 0.8) : null, heap_objects: t.python ? 412007 + t.id : null, gc_collections: t.python ? Math.floor((now - t.started) / 30) : null,
			limit_bytes: t.limit, growth_rate_mb_per_min: t.ended ? null : growth, growth_interval: t.ended ? null : [growth - 0.07 * (t.growth || 0.05), growth + 0.07 * (t.growth || 0.05)], active_leaks: leaks, sparkline: Array.from({length: 60}, (_, i) => this.rss(t, end - (59 - i) * 60)),
		};
	}

	/* What was known when the kernel killed it. */
	killed(t) {
		return {killed_at: iso(t.endedAt - 0.4), rss_bytes: this.rss(t, t.endedAt), vms_bytes: 900 * MIB, limit_bytes: t.limit, heap_live_bytes: t.traced ? 37 * MIB : null, growth_bytes_per_second: t.growth * MIB / 60, growth_rate_mb_per_min: t.growth, growth_known: true, traced: t.traced, leaks: this.allLeaks.filter((l) => l.target === t.id).map((l) => l.leak_id)};
	}

	list(state, sort) {
		const all = this.targets.filter((t) => state === 'all' || t.ended === (state === 'ended')).map((t) => this.brief(t));
		const by = {growth: (a, b) => (b.growth_rate_mb_per_min || 0) - (a.growth_rate_mb_per_min || 0), rss: (a, b) => b.rss_bytes - a.rss_bytes, name: (a, b) => a.name < b.name ? -1 : 1};
		return all.sort(by[sort]);
	}

	detail(t) {
		return {...this.brief(t), thresholds: this.thresholds(t), cmdline: null, profile: this.profiles(t)[0]?.id ?? null, sessions: this.sessions.filter((s) => s.target === t.id).map((s) => s.session_id)};
	}

	usage(t) {
		const b = this.brief(t);
		return {target: t.id, timestamp: iso(this.now()), rss_bytes: b.rss_bytes, vms_bytes: b.vms_bytes, uss_bytes: b.uss_bytes, pss_bytes: b.pss_bytes, swap_bytes: 0, heap_live_bytes: b.heap_live_bytes, heap_free_bytes: 20 * MIB, fragmentation_percent: 5, heap_objects: b.heap_objects, gc_collections: b.gc_collections, minor_faults: 1000, major_faults: 2, limit_bytes: b.limit_bytes};
	}

	/* PSS and USS cost more and are read once a minute; an hour was lost four days ago, when the agent did not run. */
	trends(t, from, to, points) {
		const step = Math.max(1, (to - from) / points), columns = {timestamps: [], rss_bytes: [], vms_bytes: [], uss_bytes: [], pss_bytes: [], heap_live_bytes: [], rss_min_bytes: [], rss_max_bytes: []}, last = Math.min(this.now(), t.ended ? t.endedAt : Infinity), lost = this.began - 4 * DAY;
		for (let at = Math.ceil(Math.max(from, t.started, this.began - WEEK) / step) * step, i = 0; at <= Math.min(to, last); at += step, i++) {
			if (at > lost && at < lost + 3600)
				continue;
			const rss = this.rss(t, at), often = step >= 60 || i % Math.ceil(60 / step) === 0, band = step > 5 ? Math.min(0.04, step / 20000) * t.base * (1 + noise(t.seed + 77, i)) : 0;
			columns.timestamps.push(+at.toFixed(3));
			columns.rss_bytes.push(rss);
			columns.vms_bytes.push(rss * 2 + 300 * MIB);
			columns.uss_bytes.push(often ? Math.round(rss * 0.91) : null);
			columns.pss_bytes.push(often ? Math.round(rss * 0.96) : null);
			columns.heap_live_bytes.push(t.traced ? Math.round(rss * 0.8) : null);
			columns.rss_min_bytes.push(Math.round(rss - band));
			columns.rss_max_bytes.push(Math.round(rss + band));
		}
		const b = this.brief(t);
		return {target: t.id, from, to, resolution_s: step, ...columns, growth_rate_mb_per_min: b.growth_rate_mb_per_min, growth_interval: b.growth_interval, thresholds: this.thresholds(t)};
	}

	components(t) {
		const rss = this.rss(t, this.now()), shares = [['core_engine', 0.34], ['session_manager', 0.22], ['plugin_manager', 0.15], ['workflow_orchestrator', 0.09], ['component_manager', 0.05], ['other', 0.15]];
		const total = Math.round(rss * 0.8), rows = shares.map(([name, share], i) => ({name, outstanding_bytes: Math.round(total * share), growth_rate_mb_per_min: i === 1 ? t.growth : 0}));
		rows[rows.length - 1].outstanding_bytes += total - rows.reduce((sum, c) => sum + c.outstanding_bytes, 0);
		return {components: rows.map((c) => ({...c, current_memory_mb: c.outstanding_bytes / MIB, peak_memory_mb: c.outstanding_bytes * 1.2 / MIB})), total_bytes: total};
	}

	spans(t) {
		const rnd = random(t.id), now = this.now();
		return t.python ? Array.from({length: 340}, (_, i) => ({span: ['session', 'plugin', 'step', 'request'][i % 4], key: ['user-' + (4000 + i), 'plugin-' + i % 24, 'step-' + i, 'GET /v1/item/' + i][i % 4], outstanding_bytes: Math.round(2 ** (10 + 14 * rnd())), outstanding_count: Math.round(2 + 4000 * rnd()), peak_bytes: Math.round(2 ** 25 * rnd()), allocs: Math.round(1e6 * rnd()), first_seen: iso(now - 3600 * rnd() - 600), last_seen: iso(now - 500 * rnd())})) : [];
	}

	/* Newest first; one for each 6 hours, of the targets that are traced. */
	profiles(t) {
		if (!t.traced)
			return [];
		const end = t.ended ? t.endedAt : this.began, reasons = ['growth', 'interval', 'session', 'request', 'interval'];
		return Array.from({length: 28}, (_, i) => ({id: t.id * 40 + 28 - i, time: iso(end - 300 - i * 6 * 3600), reason: reasons[i % 5], state: t.growth > 1 ? 'leaking' : i % 4 ? 'growing' : 'steady', size_bytes: 48000 + 900 * i, growth_rate_mb_per_min: t.growth * (1 - i / 60), findings: 4}));
	}

	report(t, nth) {
		if (t.id === 4)
			return this.large ||= large(51500);
		const report = t.python ? python() : small();
		report.target = {...report.target, pid: t.pid, comm: t.comm};
		for (const s of report.sites) {
			s.outstanding_bytes = Math.round(s.outstanding_bytes * (0.5 + nth / 28));
			s.outstanding_count = Math.round(s.outstanding_count * (0.5 + nth / 28));
		}
		return report;
	}

	makeLeaks(t) {
		if (t.kind !== 'leak')
			return [];
		return small().findings.slice(0, t.id === 1 ? 4 : 1).map((f, i) => ({
			leak_id: hex(t.id * 10 + i), target: t.id, pid: t.pid, target_name: t.name, component: ['core_engine', 'session_manager', 'plugin_manager', 'other'][i], state: f.state, active: i !== 2 && !t.ended, growth_rate_mb_per_min: t.growth * [0.94, 0.05, 0.01, 0][i], growth_interval: [0.93, 1.07].map((x) => x * t.growth * [0.94, 0.05, 0.01, 0][i]),
			current_memory_mb: f.outstanding_bytes / MIB, outstanding_bytes: f.outstanding_bytes, lost_count: f.lost_count, confidence: f.confidence, first_seen: iso(this.began - 40000), last_seen: iso(this.began - 30), cleared_at: t.ended ? iso(t.endedAt) : i === 2 ? iso(this.began - 5000) : null,
			recommendation: f.recommendation, evidence: f.evidence, stack: f.stack, type: f.type, held_by: f.held_by, profile: t.id * 40 + 28,
		}));
	}

	leaks(t, state) {
		if (state === 'at_end')
			return this.allLeaks.filter((l) => t?.ended && l.target === t.id);
		return this.allLeaks.filter((l) => (!t || l.target === t.id) && (state === 'all' || l.active === (state === 'active')));
	}

	clearLeaks(which) {
		const found = this.allLeaks.filter((l) => l.active && which(l));
		found.forEach((l) => Object.assign(l, {active: false, cleared_at: iso(this.now())}));
		return {cleared: found.length};
	}

	makeSessions() {
		const made = [];
		for (const [i, t] of this.targets.filter((x) => x.python).slice(0, 12).entries())
			for (let k = 0; k < 3; k++) {
				const start = this.began - (k * 9 + i + 1) * 3600;
				const session = {session_id: hex(5000 + i * 3 + k), target: t.id, pid: t.pid, session_name: ['load test', 'nightly import', 'release 4.2'][k] + ' ' + (i + 1), description: k ? '' : 'Two hundred users for an hour, with all plugins on.', state: 'running', start_time: iso(start), end_time: null, start};
				this.judge(session, t);
				if (k || i % 4)
					this.endSession(session, start + 1800 + i * 60);
				made.push(session);
			}
		return made;
	}

	judge(s, t) {
		const end = s.end || this.now(), peak = Math.max(this.rss(t, s.start), this.rss(t, end));
		Object.assign(s, {peak_memory_mb: peak / MIB, detected_leaks: this.allLeaks.filter((l) => l.target === t.id && l.active), recommendations: t.growth > 0.1 ? ['No path frees them: look for a missing free on the way out of ngx_http_foo_handler.'] : [],
			statistics: {duration_s: end - s.start, samples: Math.round((end - s.start) / 5), start_rss_bytes: this.rss(t, s.start), end_rss_bytes: this.rss(t, end), peak_rss_bytes: peak, growth_rate_mb_per_min: t.growth, growth_interval: [t.growth * 0.9, t.growth * 1.1], allocs: 912000, alloc_bytes: 80 * MIB, outstanding_bytes: 4 * MIB, gc_collections: t.python ? 61 : null}});
		return s;
	}

	addSession(t, body) {
		const session = this.judge({session_id: hex(9000 + this.sessions.length), target: t.id, pid: t.pid, session_name: body.session_name, description: body.description || '', state: 'running', start_time: iso(this.now()), end_time: null, start: this.now()}, t);
		this.sessions.push(session);
		return session;
	}

	endSession(s, at) {
		s.end = at || this.now();
		this.judge(s, this.targets[s.target - 1]);
		Object.assign(s, {state: 'ended', end_time: iso(s.end)});
	}

	dropSession(s) {
		this.sessions = this.sessions.filter((other) => other !== s);
		return {};
	}

	sessionList(t, state) {
		return this.sessions.filter((s) => (!t || s.target === t.id) && (state === 'all' || s.state === state));
	}

	snapshots(s) {
		const t = this.targets[s.target - 1], end = s.end || this.now(), step = Math.max(1, (end - s.start) / 400), snapshots = [];
		for (let at = s.start; at <= end; at += step) {
			const rss = this.rss(t, at);
			snapshots.push({time: +at.toFixed(3), rss_bytes: rss, vms_bytes: rss * 2, uss_bytes: Math.round(rss * 0.91), heap_live_bytes: Math.round(rss * 0.8)});
		}
		return {snapshots};
	}

	makeEvents(rnd) {
		const events = [];
		for (let i = 0; i < EVENT_COUNT; i++)
			events.push(this.eventOf(this.targets[Math.floor(rnd() ** 2 * this.targets.length)], this.began - WEEK + WEEK * (i + rnd()) / EVENT_COUNT, i + 1, rnd));
		return events;
	}

	eventOf(t, at, id, rnd) {
		const kinds = [
			['MemoryOperationStarted', 'info', 'a window of tracing begins', {operation: 'trace'}], ['MemoryOperationCompleted', 'info', 'traced for 60 s: 4 findings', {operation: 'trace', duration_s: 60}], ['MemoryOperationCompleted', 'info', 'heap looked at: nothing lost', {operation: 'scan', stop_ms: 22}],
			['PerformanceThresholdExceeded', 'warning', 'RSS is above the warning threshold', {threshold: 'memory_warning', value: 560 * MIB, limit: 500 * MIB}], ['PerformanceThresholdExceeded', 'critical', 'RSS is above the critical threshold', {threshold: 'memory_critical', value: 800 * MIB, limit: 750 * MIB}],
			['TargetAppeared', 'info', 'appeared', {rule: 'servers'}], ['LeakDetected', 'warning', 'ngx_http_foo_handler leaks 3.98 MiB/min', {}], ['TargetOomKilled', 'critical', 'killed by the kernel: out of memory', {rss_bytes: 2 ** 30}],
		];
		const [event, severity, words, details] = kinds[Math.min(kinds.length - 1, Math.floor(rnd() ** 1.6 * kinds.length))];
		return {id, time: iso(at), event, severity, target: t.id, pid: t.pid, target_name: t.name, text: t.name + ': ' + words, details};
	}

	nextEvent() {
		return this.eventOf(this.targets[Math.floor(Math.random() * 8)], this.now(), 0, Math.random);
	}

	addEvent(event) {
		const t = this.targets[(event.target || 1) - 1], kept = {severity: 'info', pid: t.pid, target_name: t.name, details: {}, text: '', ...event, id: this.events[this.events.length - 1].id + 1, time: iso(this.now())};
		this.events.push(kept);
		return kept;
	}

	alerts() {
		return this.list('running', 'growth').flatMap((b) => {
			const limits = this.targets[b.id - 1] && this.thresholds(this.targets[b.id - 1]), since = iso(this.began - 1000 * b.id), alert = (name, severity, value, threshold, text) => ({name, severity, target: b.id, target_name: b.name, since, value, threshold, text});
			return [b.state === 'critical' && alert('memory_critical', 'critical', b.rss_bytes, limits.critical_bytes, 'RSS is above the critical threshold'), b.state === 'warning' && b.rss_bytes > limits.warning_bytes && alert('memory_warning', 'warning', b.rss_bytes, limits.warning_bytes, 'RSS is above the warning threshold'),
				b.growth_rate_mb_per_min > limits.growth_mb_per_min && alert('growth', 'warning', b.growth_rate_mb_per_min, limits.growth_mb_per_min, 'it grows faster than ' + limits.growth_mb_per_min + ' MiB/min')].filter(Boolean);
		});
	}

	health() {
		const alerts = this.alerts(), critical = alerts.filter((a) => a.severity === 'critical').length;
		return {status: critical ? 503 : 200, body: {status: critical ? 'critical' : alerts.length ? 'warning' : 'ok', memory: {status: critical ? 'critical' : 'warning', targets_over_warning: alerts.length, targets_over_critical: critical}, leaks: {active: this.leaks(null, 'active').length}, profiler: {status: 'ok', mode: 'standard', tracing: 4, store: {state: 'ok'}, notes: ['2 targets wait for a share of the budget']},
			checks: [{name: 'loop', status: 'ok', text: 'turns every 0.5 s, 3 ms late at most'}, {name: 'store', status: 'ok', text: 'writes in 2 ms; 318 MiB of 1 GiB'}, {name: 'kernel', status: 'ok', text: 'uprobe_multi, session form'}, {name: 'memory', status: critical ? 'critical' : 'ok', text: critical + ' targets above their critical threshold'}]}};
	}

	status({mode}) {
		const all = this.targets, running = all.filter((t) => !t.ended);
		return {version: '0.1', started_at: iso(this.began - WEEK), pid: 811, mode, level: 'medium', sampling_interval_s: 5, budget_percent: 1, targets: {watched: running.length, traced: running.filter((t) => t.traced).length, ended: all.length - running.length}, cost: {cpu_percent: 0.42, rss_bytes: 41 * MIB, tracing_percent: 0.61, pass_ms: 0.84}, store: {path: '/var/lib/holdfast', bytes: 318 * MIB, samples: 26611200, state: 'ok'}, limits: {targets: 1000, traced: 20, max_size_bytes: 1024 * MIB, requests_per_s: 100}, notes: ['PSS and USS are read once a minute: smaps_rollup costs 13 ms per GiB']};
	}

	config() {
		return {memory_profiling: {mode: 'standard', level: 'medium', sampling_interval: 5, memory_warning_threshold_mb: 500, memory_critical_threshold_mb: 750, memory_growth_rate_threshold_mb_per_min: 1, enable_leak_detection: true, enabled_backends: ['tracemalloc', 'gc', 'system', 'native'], budget: '1%', listen: '127.0.0.1:7654', store: '/var/lib/holdfast', targets: [{name: 'python', comm: 'python3*'}, {name: 'servers', unit: '*.service', above: '8MiB'}], components: [{name: 'core_engine', python_module: 'engine.*'}], spans: [{name: 'session', enter: 'app.sessions:Session.handle', key: 'user_id', type: 'string'}], alerts: {webhook: [{url: 'https://hooks.example/memory', secret: null}], log: {format: 'logfmt', level: 'info'}}, retention: {raw: '1h', minutes: '7d', days: '90d', profiles: 200, max_size: '1GiB'}}};
	}
}
