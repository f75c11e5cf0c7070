// SPDX-License-Identifier: GPL-2.0-or-later
// What a heap holds by type and size, and who holds it. Without a look at the heap there is no such section.
(function (HF) {
'use strict';

const {el, fill, num, text} = HF;

function typeRow(row) {
	const lost = num(row.lost_count);
	const sample = text(row.sample, 80);
	return el('tr', {},
		el('td', {}, el('span', {class: 'fn', title: text(row.type)}, HF.clip(text(row.type), 120)), sample && el('span', {class: 'soft'}, ' “' + sample + '”')),
		el('td', {class: 'num'}, HF.bytes(num(row.size))), el('td', {class: 'num'}, HF.count(num(row.count))), el('td', {class: 'num'}, HF.bytes(num(row.bytes))),
		el('td', {class: 'num'}, lost > 0 ? el('span', {class: 'badge bad'}, HF.count(lost)) : '–'),
		el('td', {}, text(row.held_by, 200) || '–'));
}

HF.showTypes = function (section, host, model) {
	const rows = model.census;
	section.hidden = !rows.length;
	HF.byId('types-link').hidden = !rows.length;
	if (!rows.length)
		return;
	const body = el('tbody', {});
	const more = HF.more(rows, 25, (next) => fill(body, next.map(typeRow)));
	fill(host, el('p', {class: 'soft'}, 'All live blocks at the last look, traced or not; bytes as the program may use them.'),
		el('div', {class: 'scroll'}, el('table', {class: 'types'},
			el('thead', {}, el('tr', {}, ['Type', 'Size', 'Blocks', 'Bytes', 'Lost', 'Held by'].map((label) => el('th', {scope: 'col'}, label)))), body)), more);
};
})(window.HF = window.HF || {});
