// SPDX-License-Identifier: GPL-2.0-or-later
// What changed by type: objects of Python, and blocks of the heap. Where looks did not see both there are none.
(function (HF) {
'use strict';

const {el, fill} = HF;

function row(type) {
	const more = type.bCount - type.aCount;
	return el('tr', {}, el('th', {scope: 'row'}, el('span', {class: 'fn', title: type.name}, HF.clip(type.name, 120)), type.python && el('span', {class: 'kind'}, 'python')),
		el('td', {}, HF.kindBadge(type.kind)), el('td', {class: 'num'}, HF.change(type.change)), el('td', {class: 'num'}, HF.bytes(type.aBytes)), el('td', {class: 'num'}, HF.bytes(type.bBytes)),
		el('td', {class: 'num'}, (more > 0 ? '+' : more < 0 ? '−' : '') + HF.count(Math.abs(more))));
}

HF.showTypeChanges = function (host, model) {
	const rows = [...model.types].sort((a, b) => b.change - a.change), body = el('tbody', {});
	const more = HF.more(rows, 25, (next) => fill(body, next.map(row)));
	fill(host, el('p', {class: 'soft'}, 'What the heaps held at the end, by type.'), el('div', {class: 'scroll'}, el('table', {class: 'types'},
		el('thead', {}, el('tr', {}, ['Type', 'Kind', 'Change', 'A', 'B', 'Number'].map((label, i) => el('th', {scope: 'col', class: i > 1 ? 'num' : null}, label)))), body)), more);
};
})(window.HF = window.HF || {});
