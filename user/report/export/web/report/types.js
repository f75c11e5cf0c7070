// SPDX-License-Identifier: GPL-2.0-or-later
// What a heap holds by type and size, and who holds it. Without a look at the heap there is nothing to show.
(function (HF) {
'use strict';

const {el, fill, num, text} = HF;

function typeRow(row, grew) {
	const lost = num(row.lost_count);
	const sample = text(row.sample, 80);
	return el('tr', {},
		el('td', {}, el('span', {class: 'fn', title: text(row.type)}, HF.clip(text(row.type), 120)), sample && el('span', {class: 'soft'}, ' “' + sample + '”')),
		el('td', {class: 'num'}, HF.bytes(num(row.size))), el('td', {class: 'num'}, HF.count(num(row.count))), el('td', {class: 'num'}, HF.bytes(num(row.bytes))),
		grew && el('td', {class: 'num'}, num(row.growth_bytes_per_second) ? HF.rate(num(row.growth_bytes_per_second)) : '–'),
		el('td', {class: 'num'}, lost > 0 ? el('span', {class: 'badge bad'}, HF.count(lost)) : '–'),
		el('td', {}, text(row.held_by, 200) || '–'));
}

HF.showTypes = function (host, model) {
	/* What is lost comes first, however little it is. */
	const lost = (row) => num(row.lost_bytes), rows = [...model.census].sort((a, b) => lost(b) - lost(a));
	if (!rows.length)
		return;
	const body = el('tbody', {}), grew = rows.some((row) => row.growth_bytes_per_second !== undefined);
	const more = HF.more(rows, 25, (next) => fill(body, next.map((row) => typeRow(row, grew))));
	fill(host, el('p', {class: 'soft'}, 'All live blocks at the last look, traced or not; bytes as the program may use them.'),
		el('div', {class: 'scroll'}, el('table', {class: 'types'},
			el('thead', {}, el('tr', {}, ['Type', 'Size', 'Blocks', 'Bytes', grew && 'Growth', 'Lost', 'Held by'].filter(Boolean).map((label) => el('th', {scope: 'col'}, label)))), body)), more);
};
})(window.HF = window.HF || {});
