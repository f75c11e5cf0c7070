// SPDX-License-Identifier: GPL-2.0-or-later
// From a report's data to a checked model.
(function (HF) {
'use strict';

const {num, text, list, map} = HF;
const NAMING = {
	label: (f) => f.name || (HF.basename(f.module) || 'unknown') + (f.address ? ' + ' + f.address : ''),
	identity: (f) => [f.label, f.module, f.kind, f.kind === 'python' ? f.file : ''].join('\u0000'),
};

/* [lo, hi], or null: not given, or nothing was estimated. */
function interval(value) {
	const v = list(value);
	return v.length === 2 && v.every(Number.isFinite) && v[1] > v[0] ? v : null;
}

/* A log2 histogram as it came; read only when it is shown. */
HF.histogram = (value) => list(value).slice(0, 64).map((v) => Math.max(0, num(v)));

const SITE_COUNTS = 'pid outstanding_bytes outstanding_count allocs frees alloc_bytes peak_bytes temporary_count'.split(' ');
const FINDING_COUNTS = 'pid outstanding_bytes outstanding_count lost_bytes lost_count oldest_s'.split(' ');
const FINDING_TEXTS = 'id state allocator component type held_by recommendation'.split(' ');

function readSite(raw, resolve, frames, id) {
	const s = map(raw), stack = HF.readStack(s.stack, resolve);
	return HF.take({
		id, stack, user: HF.ownFrame(s.own_frame, stack, frames), allocator: text(s.allocator, 80), state: text(s.state, 40) || 'steady',
		growth: num(s.growth_bytes_per_second, null), estimated: s.estimated === true, interval: interval(s.interval), lifetime: s.lifetime_ns_log2, size: s.size_log2,
	}, s, SITE_COUNTS, (v) => num(v));
}

const readEvidence = (raw) => list(raw).slice(0, 100).map((e) => text(map(e).text) || text(map(e).kind, 80) + ' ' + text(map(e).value, 80));

function readFinding(raw, table) {
	const f = map(raw), stack = HF.readStack(f.stack, (frame) => table.add(frame));
	const finding = {
		stack, user: HF.ownFrame(f.own_frame, stack, table.frames), confidence: num(f.confidence, null), growth: num(f.growth_bytes_per_second), growthInterval: interval(f.growth_interval), evidence: readEvidence(f.evidence), estimated: f.estimated === true, site: null,
	};
	return HF.take(HF.take(finding, f, FINDING_COUNTS, (v) => num(v)), f, FINDING_TEXTS, (v) => text(v));
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
		for (const field of ['pss_bytes', 'uss_bytes', 'heap_used_bytes'])
			if (p[field] === 0) // not read yet: it costs more than RSS
				p[field] = null;
	return series.sort((a, b) => a.time - b.time);
}

/* Page faults by stack: rows of the flamegraph, not of the table. */
function readFaults(raw, resolve, frames) {
	return list(raw).map(map).map((f) => {
		const stack = HF.readStack(f.stack, resolve);
		return {pid: num(f.pid), stack, user: HF.ownFrame(f.own_frame, stack, frames), faults: num(f.count)};
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
	const r = HF.checkSchema(raw, 'holdfast.report/1');
	const table = new HF.FrameTable(NAMING);
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
		census: list(r.census).map((row) => map(row)), python: list(r.python).map((row) => map(row)),
	};
};

})(window.HF = window.HF || {});
