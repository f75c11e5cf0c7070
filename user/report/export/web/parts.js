// SPDX-License-Identifier: GPL-2.0-or-later
// What several sections show.
(function (HF) {
'use strict';

const {el} = HF;

/* Of a verdict: tone and what it means. */
HF.STATES = {
	leaking: ['bad', 'Blocks that nothing refers to any more keep piling up.'],
	lost: ['bad', 'Some blocks are lost: nothing refers to them. Their number does not grow.'],
	growing: ['warn', 'Grows without a bound in sight; everything is still referenced.'],
	untraced: ['warn', 'Memory grows, but not in anything that was traced.'],
	fragmented: ['warn', 'The process grows while its live bytes do not: the heap is fragmented.'],
	backlog: ['mild', 'Work piles up and is freed later, in one go.'],
	watching: ['mild', 'Grows so far. Too little data to be sure.'],
	warming: ['mild', 'Grows, but more and more slowly: it fills up.'],
	cyclic: ['good', 'Rises and falls, and comes back to where it began.'],
	steady: ['good', 'No growth.'],
};
HF.MARKS = {bad: '▲', warn: '▲', mild: '◆', good: '●'};

/* A coloured word with a mark. */
HF.tag = (tone, mark, word) => el('span', {class: 'badge ' + tone}, el('span', {'aria-hidden': 'true'}, mark + ' '), word);

/* A verdict's state; an unknown one stays neutral. */
HF.badge = function (state) {
	const tone = (HF.STATES[state] || ['mild'])[0];
	return HF.tag(tone, HF.MARKS[tone], state);
};

HF.place = (f) => f.file ? f.file + (f.line ? ':' + f.line : '') : f.module && f.name ? HF.basename(f.module) + (f.address ? ' + ' + f.address : '') : '';

/* The stack as a list, leaf first; the reader's own first frame is marked. */
HF.stackList = function (item, frames) {
	return el('ol', {class: 'stack', start: 0}, item.stack.map((index, i) => {
		const f = frames[index];
		return el('li', {class: i === item.user ? 'own' : null}, el('span', {class: 'fn'}, f.label), ' ', el('span', {class: 'src'}, HF.place(f)),
			f.kind !== 'native' && el('span', {class: 'kind'}, f.kind), i === item.user && el('span', {class: 'sr'}, ' (first frame in your code)'));
	}));
};

HF.frameText = (f, i) => '#' + i + '  ' + f.label + (f.file ? '  ' + f.file + (f.line ? ':' + f.line : '') : '') + (f.module ? '  (' + f.module + ')' : '');

/* Hands add() the first `size` items, and gives a button that hands it the next. */
HF.more = function (items, size, add) {
	let shown = 0;
	const next = () => {
		add(items.slice(shown, shown += size));
		const left = Math.max(0, items.length - shown);
		button.hidden = !left;
		button.textContent = 'Show ' + Math.min(size, left) + ' more of ' + HF.count(left);
	};
	const button = HF.button('', next);
	next();
	return button;
};
})(window.HF = window.HF || {});
