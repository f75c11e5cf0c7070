// SPDX-License-Identifier: GPL-2.0-or-later
// What holds a target's memory: components and spans; and its profiles.
import {profileLinks} from './flame_view.js';
import {Grid} from './grid.js';
import {badge, growth, growthWithSpread, link, size, targetPath, timeText} from './widgets.js';
import {ago, bytes, count, exactBytes, mib, percent, text, when} from './words.js';

const {m, HF} = window;

/* Bars of components; the sum is the whole, so each has its share. */
export function componentTable({components, total_bytes: total}) {
	const rows = HF.list(components).slice().sort((a, b) => (b.outstanding_bytes || 0) - (a.outstanding_bytes || 0));
	const most = rows.reduce((max, c) => Math.max(max, c.outstanding_bytes || 0), 1);
	const bar = (c) => m('.hbar', {'aria-hidden': 'true'}, m('div', {style: {width: (100 * Math.max(0, c.outstanding_bytes || 0) / most).toFixed(2) + '%'}}));
	if (!rows.length)
		return m('p.empty', 'No component is told apart. Rules below “components:” in the configuration do that.');
	return [m('p', ['Together ', m('b', {title: exactBytes(total)}, bytes(total)), ' held; what matches no rule is “other”.']),
		m('.scroll', {tabindex: 0, role: 'region', 'aria-label': 'Components'}, m('table.components', [m('caption.sr', 'Memory by component'),
			m('thead', m('tr', ['Component', 'Held', 'Share', '', 'Peak', 'Growth'].map((label) => m(label ? 'th[scope=col]' : 'td', {class: ['Held', 'Share', 'Peak', 'Growth'].includes(label) ? 'num' : ''}, label)))),
			m('tbody', rows.map((c) => m('tr', {key: c.name}, [m('th[scope=row]', m('span.fn', text(c.name, 100))), m('td.num', about(c, size(c.outstanding_bytes))), m('td.num', total > 0 ? percent(100 * c.outstanding_bytes / total, 1) : '–'), m('td.wide', bar(c)),
				m('td.num', {title: exactBytes(c.peak_memory_mb * 1048576)}, mib(c.peak_memory_mb)), m('td.num', growth(c))])))]))];
}

/* By what fell into windows of tracing. */
const about = (s, shown) => s.estimated ? [m('abbr', {title: 'estimated: tracing saw a part of the calls'}, '≈'), ' ', shown] : shown;

const SPAN_COLUMNS = [
	{id: 'key', label: 'Key', sort: (s) => s.key, cell: (s) => m('span.fn', text(s.key, 120))}, {id: 'span', label: 'Span', sort: (s) => s.span, cell: (s) => text(s.span, 80)},
	{id: 'bytes', label: 'Held', num: true, sort: (s) => s.outstanding_bytes, cell: (s) => about(s, size(s.outstanding_bytes))}, {id: 'count', label: 'Blocks', num: true, sort: (s) => s.outstanding_count, cell: (s) => count(s.outstanding_count)},
	{id: 'peak', label: 'Peak', num: true, sort: (s) => s.peak_bytes, cell: (s) => size(s.peak_bytes)}, {id: 'allocs', label: 'Allocations', num: true, sort: (s) => s.allocs, cell: (s) => count(s.allocs)},
	{id: 'first', label: 'First seen', sort: (s) => s.first_seen, cell: (s) => timeText(s.first_seen)}, {id: 'last', label: 'Last seen', sort: (s) => s.last_seen, cell: (s) => m('span', {title: when(s.last_seen)}, ago(s.last_seen))},
];

/* attrs: spans. */
export function SpanTable() {
	let sort = 'bytes', descending = true, words = '', memo = {};
	const filtered = (spans) => {
		if (memo.spans !== spans || memo.words !== words)
			memo = {spans, words, rows: words ? spans.filter((s) => (s.span + '\n' + s.key).toLowerCase().includes(words.toLowerCase())) : spans};
		return memo.rows;
	};
	return {
		view: ({attrs: {spans}}) => spans.length ? [m('.toolbar', m('.finder', [m('input[type=search]', {placeholder: 'Filter: span or key', 'aria-label': 'Filter spans', value: words, oninput: (e) => { words = e.target.value; }}), m('output.share', filtered(spans).length + ' of ' + spans.length)])),
			m(Grid, {caption: 'Spans', rows: filtered(spans), columns: SPAN_COLUMNS, keyOf: (s) => s.span + '\n' + s.key, sort, descending, onsort: (id, down) => { sort = id; descending = down; }, empty: 'No span matches.'})] :
			m('p.empty', 'No span was seen. A span is a pair of functions and the argument that names it: see “spans:” in the configuration.'),
	};
}

/* The table of profiles; each row leads to its flamegraph, to its difference from the one before, and to its files. */
export function profileTable(target, profiles) {
	const path = targetPath(target.id) + '/flame', name = text(target.name, 40).replace(/[^\w.-]+/g, '_');
	const columns = [
		{id: 'time', label: 'Time', cell: (p) => link(path, {profile: p.id}, when(p.time))}, {id: 'reason', label: 'Reason', cell: (p) => text(p.reason, 40)}, {id: 'state', label: 'State', cell: (p) => badge(p.state)},
		{id: 'growth', label: 'Growth', num: true, cell: growthWithSpread}, {id: 'findings', label: 'Findings', num: true, cell: (p) => count(p.findings)}, {id: 'size', label: 'Size', num: true, cell: (p) => size(p.size_bytes)},
		{id: 'diff', label: 'Difference', cell: (p) => p.before ? link(path, {profile: p.id, base: p.before}, 'from the one before') : '–'}, {id: 'files', label: 'Download', cell: (p) => profileLinks(target.id, p.id, name)},
	];
	const rows = profiles.map((p, i) => ({...p, before: profiles[i + 1]?.id}));
	return m(Grid, {caption: 'Profiles', rows, columns, keyOf: (p) => p.id, empty: 'There is no profile yet. One is made when growth persists, at a session’s end, or when you trace now.'});
}
