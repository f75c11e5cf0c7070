// SPDX-License-Identifier: GPL-2.0-or-later
// The table of a report's sites, with the allocation patterns of each.
(function (HF) {
'use strict';

const {el, svg, fill} = HF;
/* What fell into windows stands for all: marked. */
const about = (s, words) => (s.estimated ? '~' : '') + words;
const COLUMNS = [
	{id: 'name', label: 'First own frame', text: true},
	{id: 'state', label: 'State', text: true, cell: (s) => HF.badge(s.state)},
	{id: 'growth', label: 'Growth', show: (s) => s.growth ? HF.rate(s.growth) : '–'},
	{id: 'outstanding_bytes', label: 'Held', show: (s) => about(s, HF.bytes(s.outstanding_bytes))},
	{id: 'outstanding_count', label: 'Blocks', show: (s) => about(s, HF.count(s.outstanding_count))},
	{id: 'peak_bytes', label: 'Peak', show: (s) => about(s, HF.bytes(s.peak_bytes))},
	{id: 'alloc_bytes', label: 'Allocated', show: (s) => about(s, HF.bytes(s.alloc_bytes))},
	{id: 'allocs', label: 'Allocs', show: (s) => about(s, HF.count(s.allocs))},
	{id: 'frees', label: 'Frees', show: (s) => about(s, HF.count(s.frees))},
	{id: 'temporary_count', label: 'Temporary', show: (s) => about(s, HF.count(s.temporary_count))},
];

/* The value below which half of a log2 histogram lies, as the upper edge of its bucket. */
function median(buckets) {
	const whole = buckets.reduce((sum, n) => sum + n, 0);
	for (let i = 0, sum = 0; i < buckets.length; i++) {
		sum += buckets[i];
		if (sum > 0 && sum >= whole / 2)
			return 2 ** (i + 1);
	}
	return 0;
}

/* Tiny bars, one per power of two; `unit` words a value. */
function bars(title, buckets, unit) {
	const whole = buckets.reduce((sum, n) => sum + n, 0);
	if (!(whole > 0))
		return el('figure', {class: 'bars'}, el('figcaption', {}, title), el('p', {class: 'soft'}, 'none recorded'));
	const used = buckets.map((n, i) => n > 0 ? i : -1).filter((i) => i >= 0);
	const lo = Math.max(0, used[0] - 1), hi = used[used.length - 1] + 1, most = Math.max(...buckets);
	const words = 'half are under ' + unit(median(buckets));
	const picture = svg('svg', {viewBox: '0 0 ' + (hi - lo + 1) * 12 + ' 44', class: 'bar-picture', role: 'img', 'aria-label': title + ': ' + words, width: (hi - lo + 1) * 12, height: 44});
	for (let i = lo; i <= hi; i++) {
		const n = buckets[i] || 0, height = n > 0 ? Math.max(2, 40 * n / most) : 1;
		fill(picture, svg('rect', {x: (i - lo) * 12 + 1, y: 42 - height, width: 10, height, class: n > 0 ? 'bar' : 'bar none'},
			svg('title', {}, unit(2 ** i) + ' to ' + unit(2 ** (i + 1)) + ': ' + HF.count(n) + ' (' + HF.percent(n, whole) + ')')));
	}
	return el('figure', {class: 'bars'}, el('figcaption', {}, title), picture,
		el('p', {class: 'soft'}, unit(2 ** used[0]) + ' … ' + unit(2 ** (used[used.length - 1] + 1)) + '; ' + words));
}

const seconds = (ns) => HF.duration(ns / 1e9);

function patterns(site) {
	return [el('h4', {}, 'Allocation patterns'), el('div', {class: 'patterns'}, bars('Sizes', HF.histogram(site.size), HF.bytes), bars('Lifetimes of freed blocks', HF.histogram(site.lifetime), seconds)),
		el('p', {class: 'soft'}, [site.allocator, site.allocs > 0 && HF.percent(site.frees, site.allocs) + ' freed', site.allocs > 0 && HF.percent(site.temporary_count, site.allocs) + ' temporary',
			site.interval && 'estimated: ' + HF.bytes(site.interval[0]) + ' to ' + HF.bytes(site.interval[1]) + ' held'].filter(Boolean).join(' · '))];
}

/* onfocus(site): show its stack in the flamegraph. */
HF.siteTable = function (host, model, onfocus) {
	const several = model.processes.length > 1;
	return new HF.Table(host, model.table, {
		rows: model.sites, columns: COLUMNS, sortBy: model.sites.some((s) => s.outstanding_bytes > 0) ? 'outstanding_bytes' : 'alloc_bytes', onfocus,
		caption: 'Allocation sites', filterHelp: 'state, allocator', words: (s) => [s.state, s.allocator], remark: (s) => several && 'pid\u00a0' + s.pid, aside: patterns,
	});
};
})(window.HF = window.HF || {});
