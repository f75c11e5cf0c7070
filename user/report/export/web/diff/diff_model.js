// SPDX-License-Identifier: GPL-2.0-or-later
// From a diff's data to a checked model.
(function (HF) {
'use strict';

const {num, text, list, map} = HF;
const KINDS = ['same', 'new', 'grew', 'shrank', 'gone'];

/* "libfoo.so.1.2" and "libfoo.so.1.3" are one module; a function without a name is its module's. As sites are matched. */
const stem = (f) => HF.basename(f.module).split('.so')[0];
const NAMING = {
	label: (f) => f.name || (HF.basename(f.module) || 'unknown') + ' (no name)',
	identity: (f) => f.kind === 'synthetic' ? '\u0000' + f.name : stem(f) + '\n' + f.name,
};

const SIDE_COUNTS = 'outstanding_bytes outstanding_count allocs'.split(' ');

/* What one report has of a site; bytes a second as report/diff.c reckons them. */
function readAmounts(raw, seconds) {
	const amounts = HF.take({}, map(raw), SIDE_COUNTS, (v) => Math.max(0, num(v)));
	amounts.rate = seconds > 0 ? num(amounts.outstanding_bytes / seconds) : 0;
	return amounts;
}

function readSide(raw) {
	const side = map(raw);
	return {
		pid: num(side.pid), comm: text(side.comm, 64) || 'process', build: text(side.build_id, 80), started: text(side.started_at, 64),
		seconds: Math.max(0, num(side.duration_s)), state: text(side.state, 40),
	};
}

function readEntry(raw, id, model, resolve) {
	const e = map(raw), stack = HF.readStack(e.stack, resolve);
	const a = readAmounts(e.a, model.a.seconds), b = readAmounts(e.b, model.b.seconds);
	return {
		id, stack, user: HF.ownFrame(e.own_frame, stack, model.table.frames), allocator: text(e.allocator, 80), kind: KINDS.includes(e.kind) ? e.kind : 'same',
		ofB: Boolean(e.b) && e.kind !== 'gone', a, b, aRate: a.rate, bRate: b.rate, aBytes: a.outstanding_bytes, bBytes: b.outstanding_bytes,
		change: b.rate - a.rate, larger: Math.max(a.rate, b.rate), moved: Math.abs(b.rate - a.rate),
	};
}

function readType(raw) {
	const t = map(raw), a = map(t.a), b = map(t.b);
	return {
		name: text(t.type, 200) + (t.language === 'python' ? '' : ' of ' + HF.bytes(num(t.size))), kind: KINDS.includes(t.kind) ? t.kind : 'same', python: t.language === 'python',
		aBytes: num(a.bytes), bBytes: num(b.bytes), aCount: num(a.count), bCount: num(b.count), change: num(b.bytes) - num(a.bytes),
	};
}

/* The checked model of a diff; throws an Error for the reader if it is none. In holdfast.diff/1 the frames stand in the stacks themselves. */
HF.readDiff = function (raw) {
	const whole = map(raw).schema === 'holdfast.diff/1';
	const d = whole ? raw : HF.checkSchema(raw, 'holdfast.diff_page/1'), counts = map(d.counts), left = map(d.left_out);
	const table = new HF.FrameTable(NAMING);
	const indices = list(d.frames).map((f) => table.add(f));
	const resolve = whole ? (frame) => table.add(frame) : (i) => Number.isInteger(i) && i >= 0 && i < indices.length ? indices[i] : -1;
	const model = {
		a: readSide(d.a), b: readSide(d.b), total: num(d.total_change_bytes_per_second), rises: num(d.rise_bytes_per_second),
		counts: KINDS.map((kind) => [kind, num(counts[kind])]), sameShare: num(d.same_share), sameRate: num(d.same_bytes_per_second),
		leftOut: {sites: num(left.sites), aRate: num(left.a_bytes_per_second), bRate: num(left.b_bytes_per_second)}, table, processes: [],
		types: list(d.types).map(readType).filter((t) => t.kind !== 'same'),
	};
	model.entries = list(d.entries).map((e, i) => readEntry(e, i, model, resolve));
	return model;
};

/* Of two rates, -1 … 1: the change as a share of the larger; 0 where it is so small that they count as the same, as report/diff.c has it. */
HF.changeShare = function (model, a, b) {
	const larger = Math.max(a, b), moved = Math.abs(b - a);
	return moved < model.sameRate || moved < model.sameShare * larger ? 0 : (b - a) / larger;
};

HF.perMinute = (rate) => rate > 0 ? HF.bytes(rate * 60) + '/min' : '0';

/* "+183 %", "×12"; words where there is nothing to compare with. */
HF.relative = function (a, b) {
	if (!(a > 0))
		return b > 0 ? 'new' : '–';
	if (!(b > 0))
		return 'gone';
	const percent = 100 * (b - a) / a;
	return percent >= 1000 ? '×' + HF.count(b / a) : (percent > 0 ? '+' : percent < 0 ? '−' : '±') + Math.abs(percent).toFixed(Math.abs(percent) < 10 ? 1 : 0) + ' %';
};

HF.changeRate = (change) => change ? HF.rate(change) : 'no change';
})(window.HF = window.HF || {});
