// SPDX-License-Identifier: GPL-2.0-or-later
// Invented reports of the shape holdfast.report/1: small (looks real), hostile (names that attack the page), large (a tree of 50,000 nodes and more).
// Same seed, same report; and what a diff's page shows. Also: node generate.mjs small|large|hostile|quiet|before|after|diff > FILE.json
import {fileURLToPath} from 'node:url';

/* What large() is asked for so that 50,000 boxes come of it. */
export const NODES = 51500;

export function random(seed) {
	let a = seed >>> 0;
	return () => {
		a = (a + 0x6d2b79f5) >>> 0;
		let t = Math.imul(a ^ (a >>> 15), a | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}

const MIB = 1048576;
const BUILD = '9c41f0aa5be2d1c3377a6b1de9f08c64a0b7d215';
const log2 = (from, values) => [...Array(from).fill(0), ...values];

function frame(name, file, line, module, kind) {
	return {function: name, file, line, module, build_id: module.startsWith('/') ? BUILD : '', address: '0x' + (0x401000 + 16 * (line + name.length * 7)).toString(16), kind: kind || 'native'};
}

function nginxFrames() {
	const nginx = '/usr/sbin/nginx', libc = '/usr/lib/x86_64-linux-gnu/libc.so.6', crypto = '/usr/lib/x86_64-linux-gnu/libcrypto.so.3', py = '/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0';
	return {
		start: frame('_start', '', 0, nginx), libcMain: frame('__libc_start_main', '', 0, libc), main: frame('main', 'src/core/nginx.c', 383, nginx), cycle: frame('ngx_master_process_cycle', 'src/os/unix/ngx_process_cycle.c', 130, nginx),
		worker: frame('ngx_worker_process_cycle', 'src/os/unix/ngx_process_cycle.c', 721, nginx), events: frame('ngx_process_events_and_timers', 'src/event/ngx_event.c', 248, nginx), epoll: frame('ngx_epoll_process_events', 'src/event/modules/ngx_epoll_module.c', 901, nginx),
		request: frame('ngx_http_process_request', 'src/http/ngx_http_request.c', 2073, nginx), phases: frame('ngx_http_core_run_phases', 'src/http/ngx_http_core_module.c', 865, nginx), foo: frame('ngx_http_foo_handler', 'src/foo.c', 212, nginx), foo2: frame('ngx_http_foo_handler', 'src/foo.c', 240, nginx),
		palloc: frame('ngx_palloc_large', 'src/core/ngx_palloc.c', 220, nginx, 'inlined'), alloc: frame('ngx_alloc', 'src/os/unix/ngx_alloc.c', 22, nginx), cache: frame('cache_insert', 'src/cache.c', 88, nginx),
		ssl: frame('SSL_do_handshake', '', 0, '/usr/lib/x86_64-linux-gnu/libssl.so.3'), bn: frame('BN_new', '', 0, crypto), zalloc: frame('CRYPTO_zalloc', '', 0, crypto), unnamed: frame('', '', 0, crypto),
		json: frame('json_parse_value', 'src/json.c', 151, nginx), json2: frame('json_parse_value', 'src/json.c', 177, nginx), node: frame('json_node_new', 'src/json.c', 40, nginx),
		pyEval: frame('_PyEval_EvalFrameDefault', '', 0, py), pyHandler: frame('on_request', '/srv/app/hooks.py', 41, '', 'python'), pyLoads: frame('loads', '/usr/lib/python3.11/json/__init__.py', 346, '', 'python'), jit: frame('trace:7', '', 0, '', 'jit'),
	};
}

/* Stacks leaf first, by name in nginxFrames(). */
const BASE = ['phases', 'request', 'epoll', 'events', 'worker', 'cycle', 'main', 'libcMain', 'start'];
const SITES = [
	{pid: 4312, stack: ['foo', ...BASE], bytes: 68 * 61240, count: 61240, allocs: 61260, temporary: 0, state: 'leaking', each: 68},
	{pid: 4312, stack: ['foo2', ...BASE], bytes: 96 * 410, count: 410, allocs: 22010, temporary: 18000, state: 'steady', each: 96},
	{pid: 4312, stack: ['alloc', 'cache', ...BASE], bytes: 2.4 * MIB, count: 1200, allocs: 1450, temporary: 0, state: 'warming', each: 2048},
	{pid: 4312, stack: ['palloc', 'request', ...BASE.slice(2)], bytes: 1.1 * MIB, count: 280, allocs: 122280, temporary: 90000, state: 'cyclic', each: 4096},
	{pid: 4312, stack: ['zalloc', 'bn', 'ssl', ...BASE.slice(1)], bytes: 210000, count: 3000, allocs: 9000, temporary: 1200, state: 'steady', each: 70},
	{pid: 4312, stack: ['unnamed', 'zalloc', 'ssl', ...BASE.slice(1)], bytes: 90000, count: 900, allocs: 2000, temporary: 10, state: 'steady', each: 100},
	{pid: 4312, stack: ['node', 'json2', 'json', 'json2', 'json', 'foo', ...BASE], bytes: 700000, count: 8000, allocs: 95000, temporary: 31000, state: 'steady', each: 88},
	{pid: 4312, stack: ['node', 'json', 'foo', ...BASE], bytes: 160000, count: 1900, allocs: 24000, temporary: 4000, state: 'steady', each: 84},
	{pid: 4319, stack: ['pyEval', 'pyLoads', 'pyHandler', 'pyEval', ...BASE.slice(2)], bytes: 0.9 * MIB, count: 5000, allocs: 41000, temporary: 12000, state: 'growing', each: 190},
	{pid: 4319, stack: ['jit', 'pyHandler', ...BASE.slice(2)], bytes: 80000, count: 20, allocs: 30, temporary: 0, state: 'steady', each: 4000},
	{pid: 4319, stack: [], bytes: 30000, count: 11, allocs: 40, temporary: 0, state: 'steady', each: 2700},
];

function site(spec, index) {
	const i = Math.floor(Math.log2(spec.each));
	return {
		pid: spec.pid, stack: spec.stack.map(index), allocator: 'malloc', allocs: spec.allocs, frees: spec.allocs - spec.count, alloc_bytes: Math.round(spec.allocs * spec.each),
		outstanding_bytes: Math.round(spec.bytes), outstanding_count: spec.count, peak_bytes: Math.round(spec.bytes * 1.3), temporary_count: spec.temporary,
		lifetime_ns_log2: spec.allocs > spec.count ? log2(9, [4, 40, 300, 900, 420, 80, 20, 8, 3, 2, 2, 6, 30, 110, 60, 9, 2]) : [], size_log2: log2(i - 1, [spec.allocs >> 3, spec.allocs >> 1, spec.allocs >> 2]),
		state: spec.state, ...(spec.state === 'warming' ? {interval: [spec.bytes * 0.92, spec.bytes * 1.08]} : {}),
	};
}

function series(seconds, step, base, perSecond) {
	const rnd = random(7), out = [];
	for (let t = 0; t <= seconds; t += step) {
		const live = base * 0.83 + perSecond * t + 300000 * Math.sin(t / 4);
		const rss = base + perSecond * t * 1.02 + 4096 * Math.round(60 * rnd());
		out.push({time: t, rss_bytes: Math.round(rss), vms_bytes: Math.round(base * 2), heap_live_bytes: Math.round(live), heap_free_bytes: Math.round(base * 0.05), swap_bytes: 0, ...(t % 10 === 0 ? {pss_bytes: Math.round(rss * 0.97), uss_bytes: Math.round(rss * 0.93)} : {})});
	}
	return out;
}

function rates(perMinuteMib, spread) {
	const r = perMinuteMib * MIB / 60;
	return {growth_bytes_per_second: r, growth_rate_mb_per_min: perMinuteMib, growth_interval: [r - spread * MIB / 60, r + spread * MIB / 60]};
}

function smallFindings(full) {
	const common = {component: 'http', type: '', held_by: '', allocator: 'malloc'};
	return [
		{...common, id: 'f-1', pid: 4312, state: 'leaking', confidence: 0.99, ...rates(3.98, 0.3), outstanding_bytes: 68 * 61240, outstanding_count: 61240, lost_bytes: 68 * 61240, lost_count: 61240, oldest_s: 58.2,
			evidence: [{kind: 'unreachable', text: '61,240 blocks of 68 B: nothing refers to them any more, in 3 scans of 3', value: 61240}, {kind: 'survival', text: 'none of the blocks older than 10 s was ever freed', value: 1}],
			recommendation: 'No path frees them: look for a missing free on the way out of ngx_http_foo_handler.', stack: full(SITES[0])},
		{...common, id: 'f-2', pid: 4319, state: 'growing', confidence: 0.81, ...rates(0.17, 0.05), outstanding_bytes: Math.round(0.9 * MIB), outstanding_count: 5000, lost_bytes: 0, lost_count: 0, oldest_s: 55, held_by: 'dict of module hooks',
			evidence: [{kind: 'trend', text: 'minima rise in 9 of 10 intervals', value: 0.9}], recommendation: 'Everything is still referenced from the dict “seen” in hooks.py: bound it.', stack: full(SITES[8])},
		{...common, id: 'f-3', pid: 4312, state: 'warming', confidence: 0.7, ...rates(0.06, 0.04), outstanding_bytes: Math.round(2.4 * MIB), outstanding_count: 1200, lost_bytes: 0, lost_count: 0, oldest_s: 57,
			evidence: [{kind: 'deceleration', text: 'the last third grew 0.2 times as fast as the first', value: 0.2}], recommendation: 'Wait: it slows down.', stack: full(SITES[2])},
		{...common, id: 'f-4', pid: 4312, state: 'lost', confidence: 0.95, ...rates(0, 0), outstanding_bytes: 5120, outstanding_count: 40, lost_bytes: 5120, lost_count: 40, oldest_s: 900, type: 'Session', evidence: [], recommendation: 'Lost before attach; hunt again from the start of the program to see where.', stack: []},
	];
}

export function small() {
	const table = nginxFrames(), names = Object.keys(table);
	const full = (s) => s.stack.map((n) => table[n]);
	return {
		schema: 'holdfast.report/1', tool: {name: 'holdfast', version: '0.1'},
		target: {pid: 4312, comm: 'nginx', exe: '/usr/sbin/nginx', build_id: BUILD, start_time: '2026-03-01T01:00:00Z', cmdline: 'nginx: worker process', container: '', allocators: [{name: 'glibc 2.36 malloc', module: 'libc.so.6', probed: true}]},
		processes: [{pid: 4312, parent: 1, comm: 'nginx', start_time: '2026-03-01T01:00:00Z', ended: null}, {pid: 4319, parent: 4312, comm: 'python3', start_time: '2026-03-01T01:00:02Z', ended: null}],
		capture: {mode: 'budget', started_at: '2026-03-01T03:12:09Z', duration_s: 60, budget_percent: 2, overhead_percent: 1.8, duty: 0.014, windows: 84, scans: 6, stop_ms_max: 22, plan: ['windows of 10 ms, 1.4 % duty, est. cost 1.8 % (budget 2 %)', 'scan every 10 s, 22 ms stop']},
		quality: {events: 972114, lost_events: 0, lost_by_reason: {}, stacks: 412000, stacks_incomplete: {no_rows: 390, depth_limit: 22}, unmatched_frees: 8120, symbols_percent: 99, notes: ['412 MiB were held before attach; they are scanned, but have no stacks']},
		memory: {rss_bytes: 417 * MIB, vms_bytes: 824 * MIB, pss_bytes: 405 * MIB, uss_bytes: 388 * MIB, swap_bytes: 0, heap_live_bytes: 346 * MIB, heap_free_bytes: 20 * MIB, fragmentation_percent: 5, limit_bytes: 1024 * MIB, series: series(60, 1, 412 * MIB, 4.21 * MIB / 60)},
		verdict: {state: 'leaking', confidence: 0.99, ...rates(4.21, 0.3), explained_percent: 98, firm: true, seconds_to_firm: 0, rss_growth_bytes_per_second: 4.3 * MIB / 60, limit_eta_s: 8460, evidence: [{kind: 'share', text: 'the findings explain 98 % of the growth of RSS', value: 98}]},
		findings: smallFindings(full), sites: SITES.map((s) => site(s, (n) => names.indexOf(n))), frames: names.map((n) => table[n]),
		census: [{type: 'std::string', size: 32, count: 12000, bytes: 384000, lost_count: 0, lost_bytes: 0, held_by: 'cache_insert', sample: ''}, {type: 'Session', size: 128, count: 40, bytes: 5120, lost_count: 40, lost_bytes: 5120, held_by: '', sample: ''}],
		faults: [{pid: 4312, stack: SITES[2].stack.map((n) => names.indexOf(n)), kind: 'anon', count: 700}, {pid: 4319, stack: SITES[8].stack.map((n) => names.indexOf(n)), kind: 'anon', count: 41}],
		components: [{name: 'http', outstanding_bytes: 6.1 * MIB, growth_bytes_per_second: 70000}],
	};
}

/* A process that runs Python: some types grow, collections are timed. */
export function python() {
	const report = small(), counts = {tracked: 0, unreachable_count: 0, unreachable_bytes: 0, overcounted_count: 0, overcounted_bytes: 0};
	const type = (name, count, bytes, more) => ({type: name, count, bytes, ...counts, held_by: '', held_share: 0, grown_count: 0, growth_bytes_per_second: 0, ...more});
	report.memory.series.forEach((p, i) => Object.assign(p, {gc_collections: 900 + 12 * i, gc_collected: 5 * i, gc_pause_ms: 8 * i}));
	report.python = [{
		pid: 4319, version: '3.11.2', reason: '', objects_known: true, complete: true, stop_ms: 8.4, objects: 412007, bytes: 41 * MIB, tracked: 120000, garbage: 3,
		unreachable_count: 4100, unreachable_bytes: 4100 * 64, overcounted_count: 100, overcounted_bytes: 6400, arenas: 40, pools: 2560, pool_used_bytes: 36 * MIB, pool_free_bytes: 4 * MIB, pools_damaged: 0,
		collector: {enabled: false, generations: [{threshold: 700, collections: 1500}, {threshold: 10, collections: 120}, {threshold: 10, collections: 9}], pauses: {timed_s: 60, count: 720, total_ms: 480, longest_ms: 12.5}},
		types: [type('dict', 90000, 20 * MIB), type('app.Session', 5000, 0.4 * MIB, {held_by: '__main__.REG.by_id[*]', held_share: 0.97, grown_count: 1200, growth_bytes_per_second: 4096}), type('Node', 4000, 256000, {unreachable_count: 4000})],
	}];
	return report;
}

/* Calls were seen in windows. */
export function sampled() {
	const report = small();
	report.memory.heap_live_estimated = true;
	for (const s of report.sites.slice(0, 3))
		s.estimated = true;
	report.findings[0].estimated = true;
	return report;
}

/* Nothing wrong, one process, bad data quality. */
export function quiet() {
	const report = small();
	report.processes.length = 1;
	report.faults.length = 1;
	report.sites = report.sites.filter((s) => s.pid === 4312);
	report.findings = [];
	report.verdict = {state: 'steady', confidence: 0.9, growth_bytes_per_second: 0, growth_rate_mb_per_min: 0, growth_interval: [-900, 900], explained_percent: 100, firm: false, seconds_to_firm: 240};
	Object.assign(report.quality, {lost_events: 51234, lost_by_reason: {ring_full: 51000, map_full: 234}, symbols_percent: 61.3, stacks_incomplete: {no_rows: 90000}});
	return report;
}

export const ATTACK = '<img src=x onerror="window.pwned=1"></script><script>window.pwned=1</script>${pwned}\u202egnp.exe\u0007';

export function hostile() {
	const report = small();
	for (const f of [...report.frames, ...report.findings.flatMap((x) => x.stack)])
		Object.assign(f, {function: ATTACK + f.function, file: ATTACK, module: ATTACK, build_id: ATTACK});
	for (const f of report.findings)
		Object.assign(f, {recommendation: ATTACK, component: ATTACK, type: ATTACK, held_by: ATTACK, id: ATTACK, evidence: [{kind: ATTACK, text: ATTACK, value: ATTACK}, null, 7]});
	Object.assign(report.target, {comm: ATTACK, cmdline: ATTACK, exe: ATTACK, build_id: ATTACK, container: ATTACK, allocators: [{name: ATTACK}, null]});
	Object.assign(report.quality, {notes: [ATTACK, {a: 1}], lost_by_reason: {[ATTACK]: 5, __proto__: 3}});
	report.python = [{version: ATTACK, reason: ATTACK, collector: {generations: [ATTACK, null], pauses: ATTACK}, types: [{type: ATTACK, held_by: ATTACK, held_share: 1, count: 'x', growth_bytes_per_second: 1e300}, null, 3]}, null, 7];
	report.census = [{type: ATTACK, held_by: ATTACK, size: 'x', count: null}, 3];
	report.sites.push({pid: 4312, stack: [-1, 1e9, 'x', null, 2.5, 3], state: ATTACK, allocator: ATTACK, outstanding_bytes: 'NaN', size_log2: ['a', -5, 1e300], lifetime_ns_log2: {}, interval: [1]}, null, 'x');
	report.processes.push(null, {pid: 'x', comm: ATTACK}, {pid: 77, comm: ATTACK});
	report.faults.push(null, {stack: [7, 1e9], count: 'x'});
	report.memory.series.push(null, {time: 'x'}, {time: 61, rss_bytes: 'x'}, {time: 1e9});
	return report;
}

/* About `nodes` boxes; each function calls 40 others; stacks of 6 to 46 frames with even weights, so that many boxes are wide enough to be drawn: the hard case. */
export function large(nodes, seed) {
	const rnd = random(seed || 1), report = small();
	const pick = (n) => Math.floor(rnd() * n);
	const modules = Array.from({length: 40}, (_, i) => '/usr/lib/x86_64-linux-gnu/lib' + ['net', 'json', 'cache', 'ssl', 'db', 'core', 'http', 'ui'][i % 8] + i + '.so.1');
	const functions = 6000;
	report.frames = Array.from({length: functions}, (_, i) => frame('acme::' + ['net', 'db', 'core'][i % 3] + '::Type' + pick(900) + '::method_' + i, 'src/' + (i % 700) + '.cc', 1 + i % 900, modules[Math.floor(rnd() ** 2 * modules.length)]));
	report.sites = [];
	const paths = [[0, 1, 2]];
	for (let made = 0; made < nodes;) {
		const path = paths[pick(paths.length)].slice(0, 3 + pick(38)), grow = 3 + pick(6);
		for (let i = 0; i < grow; i++)
			path.push((path[path.length - 1] * 7 + pick(40) + 1) % functions);
		made += grow;
		paths.push(path);
		const count = 200 + pick(400), each = 2 ** (5 + pick(3));
		report.sites.push(site({pid: 4312, stack: path.slice().reverse(), bytes: count * each, count, allocs: count * 3, temporary: count, state: 'steady', each}, (n) => n));
	}
	report.processes.length = 1;
	report.findings = [];
	report.faults = [];
	report.memory.series = series(3600, 1, 412 * MIB, 70000);
	return report;
}

/*
 * Two builds of one program: [A, B]. B was watched twice as long, its functions moved by three lines, its libraries are a version on; site
 * 0 grew, 2 shrank, 4 is gone, one is new, the others are the same.
 */
export function pair() {
	const a = small(), b = small();
	b.target.build_id = b.target.build_id.replace(/^..../, 'beef');
	b.target.pid = 5001;
	b.capture.duration_s = 2 * a.capture.duration_s;
	b.verdict.state = 'growing';
	for (const f of b.frames)
		Object.assign(f, {line: f.line && f.line + 3, module: f.module.replace(/\.so\..*/, '.so.9'), address: f.address + '0'});
	const times = (site, factor) => Object.assign(site, {outstanding_bytes: Math.round(site.outstanding_bytes * factor), outstanding_count: Math.round(site.outstanding_count * factor)});
	b.sites.forEach((site, i) => times(site, 2 * ({0: 3, 2: 0.4}[i] ?? 1)));
	const fresh = times({...b.sites[5], stack: [b.sites[2].stack[0], ...b.sites[0].stack]}, 9);
	b.sites.splice(4, 1, fresh);
	return [a, b];
}

/* Data of the page of a diff as the exporter writes them: entries [kind, stack by name, bytes of A, bytes of B]. */
export function diffPage() {
	const table = nginxFrames(), names = Object.keys(table), seconds = 60;
	const amounts = (bytes) => ({outstanding_bytes: bytes, outstanding_count: Math.ceil(bytes / 100), allocs: Math.ceil(bytes / 50)});
	const entries = [
		['grew', SITES[0].stack, 1 * MIB, 3 * MIB], ['shrank', SITES[2].stack, 2 * MIB, 0.8 * MIB], ['gone', SITES[4].stack, 600000, 0], ['new', SITES[3].stack, 0, 1.5 * MIB],
		['same', SITES[6].stack, 700000, 701000], ['same', SITES[9].stack, 80000, 80000], ['new', [], 0, 30000], ['grew', ['json', 'json2', 'json', 'foo2', ...BASE], 100, 90000],
	].map(([kind, stack, a, b]) => ({
		kind, allocator: 'malloc', own_frame: 0, stack: stack.map((n) => names.indexOf(n)), ...(a ? {a: amounts(a)} : {}), ...(b ? {b: amounts(b)} : {}),
	}));
	const side = (pid, state) => ({pid, comm: 'nginx', build_id: BUILD, started_at: '2026-03-01T03:12:09Z', duration_s: seconds, state});
	const changes = entries.map((e) => ((e.b ? e.b.outstanding_bytes : 0) - (e.a ? e.a.outstanding_bytes : 0)) / seconds);
	const rises = changes.filter((c, i) => entries[i].kind !== 'same' && c > 0);
	const add = (numbers) => numbers.reduce((x, y) => x + y, 0);
	return {
		schema: 'holdfast.diff_page/1', a: side(4312, 'leaking'), b: side(5001, 'growing'), total_change_bytes_per_second: add(changes), rise_bytes_per_second: add(rises), worst_rise_bytes_per_second: Math.max(...rises),
		counts: {same: 2, new: 2, grew: 2, shrank: 1, gone: 1}, same_share: 0.05, same_bytes_per_second: 16, left_out: {sites: 0, a_bytes_per_second: 0, b_bytes_per_second: 0},
		frames: names.map((n) => table[n]), entries,
		types: [
			{kind: 'grew', language: 'python', type: 'app.Session', size: 0, a: {count: 1000, bytes: 1 * MIB}, b: {count: 3000, bytes: 3 * MIB}},
			{kind: 'same', language: 'python', type: 'dict', size: 0, a: {count: 10, bytes: 1000}, b: {count: 10, bytes: 1000}},
			{kind: 'gone', language: 'native', type: 'zeros', size: 4096, a: {count: 8, bytes: 32768}, b: {count: 0, bytes: 0}},
		],
	};
}

/* Names that attack, numbers that are none or huge, a stack deeper than any. */
export function hostileDiff() {
	const diff = diffPage();
	for (const f of diff.frames)
		Object.assign(f, {function: ATTACK + f.function, file: ATTACK, module: ATTACK, build_id: ATTACK, kind: 'synthetic'});
	for (const side of [diff.a, diff.b])
		Object.assign(side, {comm: ATTACK, build_id: ATTACK, started_at: ATTACK, state: ATTACK, pid: ATTACK});
	Object.assign(diff.a, {duration_s: 1e-308});
	Object.assign(diff.counts, {new: ATTACK, gone: 1e300, __proto__: 3});
	diff.left_out = {sites: 2 ** 53, a_bytes_per_second: 'x', b_bytes_per_second: 1e300};
	diff.total_change_bytes_per_second = ATTACK;
	diff.types.push(null, 7, {kind: ATTACK, type: ATTACK, a: ATTACK, b: {count: 1e300}}, {kind: 'new', type: ATTACK, language: ATTACK, size: 'x', a: {bytes: -1}, b: {bytes: 2 ** 63}});
	diff.entries.push(null, 'x', {kind: ATTACK, allocator: ATTACK, stack: [-1, 1e9, 'x', null, 2.5, 3], own_frame: 1e9, a: {outstanding_bytes: -5}, b: ATTACK},
		{kind: 'constructor', stack: {}, a: [], b: {outstanding_bytes: 2 ** 63, outstanding_count: 2 ** 63, allocs: 'NaN'}},
		{kind: 'new', allocator: 'malloc', stack: Array.from({length: 5000}, (_, i) => i % diff.frames.length), b: {outstanding_bytes: 1e6, outstanding_count: 1, allocs: 1}});
	return diff;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const make = {small, hostile, quiet, large: () => large(NODES), diff: diffPage, before: () => pair()[0], after: () => pair()[1]}[process.argv[2]];
	process.stdout.write(JSON.stringify(make()));
}
