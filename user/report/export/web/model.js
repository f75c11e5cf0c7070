// SPDX-License-Identifier: GPL-2.0-or-later
// From the embedded bytes to a checked model. Everything in a report is foreign: each field is coerced, each index bounded.
(function (HF) {
'use strict';

const MAX_JSON_BYTES = 512 * 1024 * 1024;
const MAX_DEPTH = 1024;
const KINDS = ['native', 'inlined', 'python', 'kernel', 'jit', 'unknown'];
const {num, text, list, map} = HF;

/* The report's JSON text out of the data element; throws an Error whose message is for the reader. */
async function unpack(base64) {
	if (typeof DecompressionStream !== 'function')
		throw new Error('This browser cannot unpack the report (it lacks DecompressionStream). Use Firefox 113, Chrome 80, Safari 16.4 or newer.');
	const binary = atob(base64);
	const bytes = new Uint8Array(binary.length);
	for (let i = 0; i < binary.length; i++)
		bytes[i] = binary.charCodeAt(i);
	const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')).getReader();
	const parts = [];
	for (let size = 0; ;) {
		const {done, value} = await reader.read();
		if (done)
			break;
		size += value.length;
		if (size > MAX_JSON_BYTES)
			throw new Error('The report unpacks to more than 512 MiB; this page does not go further.');
		parts.push(value);
	}
	return new Blob(parts).text();
}

/* [lo, hi], or null: not given, or nothing was estimated. */
function interval(value) {
	const v = list(value);
	return v.length === 2 && v.every(Number.isFinite) && v[1] > v[0] ? v : null;
}

/* Interns frames: an index for each distinct frame, a key for each function (what the flamegraph merges). */
class FrameTable {
	constructor() {
		this.frames = [];
		this.functions = [];
		this.byIdentity = new Map();
		this.byKey = new Map();
	}

	/* functions[key] is the first frame seen of that function. */
	key(frame, identity) {
		let key = this.byKey.get(identity);
		if (key === undefined) {
			key = this.functions.length;
			this.byKey.set(identity, key);
			this.functions.push(frame);
		}
		return key;
	}

	/* One flag per function: does its name, file or module contain the words? */
	matching(words) {
		const needle = words.toLowerCase();
		const hit = new Uint8Array(this.functions.length);
		for (const f of this.frames)
			if (!hit[f.key] && (f.label + '\n' + f.file + '\n' + f.module).toLowerCase().includes(needle))
				hit[f.key] = 1;
		return hit;
	}

	/* The index of a foreign frame; equal frames share one. */
	add(raw) {
		const f = map(raw);
		return this.intern({
			name: text(f.function), file: text(f.file), line: Math.max(0, Math.trunc(num(f.line))), module: text(f.module),
			buildId: text(f.build_id, 80), address: typeof f.address === 'number' ? '0x' + f.address.toString(16) : text(f.address, 32),
			kind: KINDS.includes(f.kind) ? f.kind : 'unknown',
		});
	}

	/* A box that is no frame: a process, a type, the missing stack. No foreign frame can have this kind. */
	synthetic(label) {
		return this.intern({name: label, file: '', line: 0, module: '', buildId: '', address: '', kind: 'synthetic'});
	}

	intern(frame) {
		const identity = [frame.name, frame.file, frame.line, frame.module, frame.kind, frame.address].join('\u0000');
		const known = this.byIdentity.get(identity);
		if (known !== undefined)
			return known;
		frame.label = frame.name || (HF.basename(frame.module) || 'unknown') + (frame.address ? ' + ' + frame.address : '');
		frame.key = this.key(frame, [frame.label, frame.module, frame.kind, frame.kind === 'python' ? frame.file : ''].join('\u0000'));
		frame.support = support(frame);
		this.frames.push(frame);
		this.byIdentity.set(identity, this.frames.length - 1);
		return this.frames.length - 1;
	}
}

// For reports that do not say (own_frame): not the libraries' and interpreters' own code, not an allocator or its wrapper.
const SUPPORT_MODULE = /^(libc\.so|libc-2\.|libstdc\+\+|libc\+\+(abi)?\.so|libgcc_s\.so|ld-(linux|musl|2\.)|libpthread|libm\.so|libdl\.so|lib(jemalloc|tcmalloc|mimalloc|python|ruby|luajit|duma|efence)|lib(perl|node|jvm|asan)\.so|\[vdso\]|\[vsyscall\]|python[23]|perl5)/;
const SUPPORT_FUNCTION = /^(std::|__gnu_cxx::|operator new|__cxxabiv1::|alloc::alloc::|__rust_)|^([xz]?(m|c|re)alloc|x?strn?dup|reallocarray|(posix_)?memalign|p?valloc|aligned_alloc|g_(malloc0?|malloc_n|realloc|strdup|slice_alloc)|CRYPTO_(m|re)alloc|__libc_(m|c)alloc|_start|__libc_start_(main|call_main)|mmap(64)?|mremap|s?brk)$/;

/* 0: the reader's own code; 1: of a library named above; 2: an allocator's, or its wrapper's. */
function support(f) {
	if (SUPPORT_FUNCTION.test(f.name))
		return 2;
	return (f.kind === 'python' ? /^<frozen|\/lib\/python3/.test(f.file) : f.kind === 'kernel' || SUPPORT_MODULE.test(HF.basename(f.module))) ? 1 : 0;
}

/* Index in `stack` of the first frame that is the reader's own: what the report says, else by the rule above; -1 for an empty stack. */
function ownFrame(said, stack, frames) {
	if (Number.isInteger(said) && said >= 0 && said < stack.length)
		return said;
	const own = stack.findIndex((i) => frames[i].support === 0);
	return own >= 0 || !stack.length ? own : Math.max(0, stack.findIndex((i) => frames[i].support === 1));
}

function readStack(raw, resolve) {
	const stack = [];
	const items = list(raw), depth = Math.min(items.length, MAX_DEPTH);
	for (let i = 0; i < depth; i++) {
		const index = resolve(items[i]);
		if (index >= 0)
			stack.push(index);
	}
	return stack;
}

/* A log2 histogram as it came; read only when it is shown. */
HF.histogram = (value) => list(value).slice(0, 64).map((v) => Math.max(0, num(v)));

const SITE_COUNTS = 'pid outstanding_bytes outstanding_count allocs frees alloc_bytes peak_bytes temporary_count'.split(' ');
const FINDING_COUNTS = 'pid outstanding_bytes outstanding_count lost_bytes lost_count oldest_s'.split(' ');
const FINDING_TEXTS = 'id state allocator component type held_by recommendation'.split(' ');

/* The named fields, each through the same coercion, added to `object`. */
function take(object, raw, names, coerce) {
	for (const name of names)
		object[name] = coerce(raw[name]);
	return object;
}

function readSite(raw, resolve, frames, id) {
	const s = map(raw), stack = readStack(s.stack, resolve);
	return take({
		id, stack, user: ownFrame(s.own_frame, stack, frames), allocator: text(s.allocator, 80), state: text(s.state, 40) || 'steady',
		growth: num(s.growth_bytes_per_second, null), interval: interval(s.interval), lifetime: s.lifetime_ns_log2, size: s.size_log2,
	}, s, SITE_COUNTS, (v) => num(v));
}

const readEvidence = (raw) => list(raw).slice(0, 100).map((e) => text(map(e).text) || text(map(e).kind, 80) + ' ' + text(map(e).value, 80));

function readFinding(raw, table) {
	const f = map(raw), stack = readStack(f.stack, (frame) => table.add(frame));
	const finding = {
		stack, user: ownFrame(f.own_frame, stack, table.frames), confidence: num(f.confidence, null), growth: num(f.growth_bytes_per_second), growthInterval: interval(f.growth_interval), evidence: readEvidence(f.evidence), site: null,
	};
	return take(take(finding, f, FINDING_COUNTS, (v) => num(v)), f, FINDING_TEXTS, (v) => text(v));
}

/* A finding belongs to the site of the same process and frames, best of the same allocator; growth goes to that site if it brought none of its own. */
function joinFindings(findings, sites) {
	const name = (o, allocator) => o.pid + '/' + allocator + '/' + o.stack.join(',');
	const wanted = new Set();
	for (const f of findings)
		if (f.stack.length)
			wanted.add(f.pid + '/' + f.stack[0] + '/' + f.stack.length);
	const byName = new Map();
	for (const s of sites)
		if (s.stack.length && wanted.has(s.pid + '/' + s.stack[0] + '/' + s.stack.length))
			byName.set(name(s, s.allocator), s).set(name(s, ''), s);
	for (const s of sites)
		s.ownGrowth = s.growth !== null;
	for (const f of findings) {
		f.site = byName.get(name(f, f.allocator)) || byName.get(name(f, '')) || null;
		if (f.site && !f.site.ownGrowth)
			f.site.growth = (f.site.growth || 0) + f.growth;
	}
	for (const s of sites)
		s.growth = s.growth || 0;
}

function readSeries(raw) {
	const series = list(raw).map(map).filter((p) => Number.isFinite(p.time));
	for (const p of series)
		for (const field of ['pss_bytes', 'uss_bytes'])
			if (p[field] === 0) // not read yet: it costs the kernel more than RSS
				p[field] = null;
	return series.sort((a, b) => a.time - b.time);
}

/* Page faults by stack: rows of the flamegraph, not of the table. */
function readFaults(raw, resolve, frames) {
	return list(raw).map(map).map((f) => {
		const stack = readStack(f.stack, resolve);
		return {pid: num(f.pid), stack, user: ownFrame(f.own_frame, stack, frames), faults: num(f.count)};
	});
}

function readProcesses(raw, target, sites) {
	const processes = new Map();
	for (const p of [target, ...list(raw).map(map)])
		if (Number.isInteger(p.pid))
			processes.set(p.pid, {pid: p.pid, parent: num(p.parent, null), comm: text(p.comm, 64), started: text(p.start_time, 64), ended: text(p.ended, 64), sites: 0});
	for (const s of sites) {
		if (!processes.has(s.pid))
			processes.set(s.pid, {pid: s.pid, parent: null, comm: '', started: '', ended: '', sites: 0});
		processes.get(s.pid).sites++;
	}
	return [...processes.values()];
}

/* The checked model of one report; throws an Error for the reader if it is none. */
HF.readReport = function (raw) {
	const r = map(raw);
	if (r.schema !== 'holdfast.report/1')
		throw new Error('This page shows holdfast.report/1; the data calls itself “' + text(r.schema, 60) + '”.');
	const table = new FrameTable();
	const indices = list(r.frames).map((f) => table.add(f));
	const resolve = (i) => Number.isInteger(i) && i >= 0 && i < indices.length ? indices[i] : -1;
	const faults = readFaults(r.faults, resolve, table.frames);
	const sites = list(r.sites).map((s, i) => readSite(s, resolve, table.frames, i));
	const findings = list(r.findings).map((f) => readFinding(f, table));
	joinFindings(findings, sites);
	const memory = map(r.memory), verdict = map(r.verdict);
	return {
		tool: map(r.tool), target: map(r.target), capture: map(r.capture), quality: map(r.quality), memory, series: readSeries(memory.series),
		verdict: {
			state: text(verdict.state, 40) || 'watching', confidence: num(verdict.confidence, null), growth: num(verdict.growth_bytes_per_second),
			interval: interval(verdict.growth_interval), explained: num(verdict.explained_percent, null), evidence: readEvidence(verdict.evidence),
			toFirm: verdict.firm === false ? num(verdict.seconds_to_firm) : 0, limitEta: num(verdict.limit_eta_s),
		},
		rssGrowth: num(verdict.rss_growth_bytes_per_second, null), processes: readProcesses(r.processes, map(r.target), sites), sites, findings, faults, table,
		census: list(r.census).map((row) => map(row)),
	};
};

HF.loadReport = async function (element) {
	const json = await unpack(element.textContent);
	let raw;
	try {
		raw = JSON.parse(json);
	} catch (e) {
		throw new Error('The embedded report is damaged: ' + text(e.message, 200));
	}
	return HF.readReport(raw);
};
})(window.HF = window.HF || {});
