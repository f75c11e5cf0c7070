// SPDX-License-Identifier: GPL-2.0-or-later
// The table of a diff's sites.
(function (HF) {
'use strict';

const {el} = HF;
/* Of each kind: tone, and the mark that tells it without colour. */
HF.KIND_TONES = {new: ['rise', '+'], grew: ['rise', '+'], shrank: ['fall', '−'], gone: ['fall', '−'], same: ['level', '=']};

HF.kindBadge = (kind, words) => HF.tag(...HF.KIND_TONES[kind], words || kind);

const rate = (v) => v > 0 ? HF.perMinute(v) : '–';
const held = (v) => v > 0 ? HF.bytes(v) : '–';
const COLUMNS = [
	{id: 'name', label: 'First own frame', text: true},
	{id: 'kind', label: 'Kind', text: true, cell: (e) => HF.kindBadge(e.kind)},
	{id: 'change', label: 'Change', show: (e) => HF.changeRate(e.change)},
	{id: 'aRate', label: 'A', show: (e) => rate(e.aRate)},
	{id: 'bRate', label: 'B', show: (e) => rate(e.bRate)},
	{id: 'aBytes', label: 'A held', show: (e) => held(e.aBytes)},
	{id: 'bBytes', label: 'B held', show: (e) => held(e.bBytes)},
];

function figures(e) {
	const row = (label, show) => el('tr', {}, el('th', {scope: 'row'}, label), [e.a, e.b].map((side) => el('td', {class: 'num'}, show(side))));
	return [el('h4', {}, 'Change ', HF.changeRate(e.change), ' (', HF.relative(e.aRate, e.bRate), ')'),
		el('table', {class: 'sides'}, el('thead', {}, el('tr', {}, el('td'), ['A', 'B'].map((name) => el('th', {scope: 'col', class: 'num'}, name)))), el('tbody', {},
			row('Rate', (side) => rate(side.rate)), row('Held', (side) => held(side.outstanding_bytes)), row('Blocks', (side) => HF.count(side.outstanding_count)), row('Allocations', (side) => HF.count(side.allocs)))),
		el('p', {class: 'soft'}, e.allocator, !e.ofB && ' · the stack is A’s')];
}

/* onfocus(entry): show its stack in the flamegraph. */
HF.changeTable = function (host, model, onfocus) {
	return new HF.Table(host, model.table, {
		rows: model.entries, columns: COLUMNS, sortBy: 'change', onfocus,
		caption: 'Sites of both reports', filterHelp: 'kind, allocator', words: (e) => [e.kind, e.allocator], remark: () => '', aside: figures,
	});
};
})(window.HF = window.HF || {});
