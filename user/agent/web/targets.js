// SPDX-License-Identifier: GPL-2.0-or-later
// All targets, worst first.
import {getAll} from './api.js';
import {stateOf} from './ending.js';
import {Grid, keepEqual} from './grid.js';
import {Resource} from './resource.js';
import {alertStrip, shared} from './shared.js';
import {badge, choice, growth, limitText, link, setQuery, show, size, targetPath} from './widgets.js';
import {bytes, count, secondsToLimit, some, text} from './words.js';

const {m} = window;
const RANKS = {critical: 0, warning: 1, growing: 2, ok: 3, killed: 4, ended: 5};
const WIDTH = 120, HEIGHT = 24;

const rank = (t) => RANKS[stateOf(t)] ?? 3;
const worstFirst = (a, b) => rank(a) - rank(b) || (b.growth_rate_mb_per_min ?? 0) - (a.growth_rate_mb_per_min ?? 0) || (b.rss_bytes ?? 0) - (a.rss_bytes ?? 0) || a.id - b.id;

/* The last hour of RSS; the words are for who does not see it. */
function sparkline(values) {
	const points = (Array.isArray(values) ? values : []).filter(Number.isFinite);
	if (points.length < 2)
		return m('span.soft', '–');
	const lo = Math.min(...points), hi = Math.max(...points), span = Math.max(hi - lo, hi * 0.01, 1), middle = (hi + lo) / 2;
	const y = (v) => (HEIGHT / 2 - (v - middle) / span * (HEIGHT - 4)).toFixed(1);
	const d = points.map((v, i) => (i ? 'L' : 'M') + (i * WIDTH / (points.length - 1)).toFixed(1) + ' ' + y(v)).join('');
	const label = 'RSS in the last hour: from ' + bytes(points[0]) + ' to ' + bytes(points[points.length - 1]) + ', ' + bytes(lo) + ' to ' + bytes(hi);
	return m('svg.spark', {viewBox: '0 0 ' + WIDTH + ' ' + HEIGHT, width: WIDTH, height: HEIGHT, role: 'img', 'aria-label': label}, [m('title', label), m('path', {d})]);
}

const home = (t) => [t.unit, t.container && 'container ' + String(t.container).slice(0, 12), t.user].filter(Boolean).map((w) => text(w, 60)).join(' · ');

const COLUMNS = [
	{id: 'name', label: 'Name', sort: (t) => t.name, cell: (t) => [link(targetPath(t.id), {}, m('span.fn', text(t.name, 80) || text(t.comm, 80) || 'target ' + t.id)), m('span.src', home(t))]},
	{id: 'state', label: 'State', sort: (t) => -rank(t), cell: (t) => badge(stateOf(t))},
	{id: 'pid', label: 'PID', num: true, sort: (t) => t.pid, cell: (t) => t.pid},
	{id: 'spark', label: 'Last hour', title: 'RSS in the last hour', cell: (t) => sparkline(t.sparkline)},
	{id: 'rss', label: 'RSS', title: 'Resident memory', num: true, sort: (t) => t.rss_bytes, cell: (t) => size(t.rss_bytes)},
	{id: 'uss', label: 'USS', title: 'Memory that is its own alone', num: true, sort: (t) => t.uss_bytes, cell: (t) => size(t.uss_bytes)},
	{id: 'growth', label: 'Growth', num: true, sort: (t) => t.growth_rate_mb_per_min, cell: growth},
	{id: 'limit', label: 'Limit in', title: 'When the limit is reached at today’s rate; else the limit', num: true, sort: (t) => -(secondsToLimit(t) ?? Infinity), cell: limitText},
	{id: 'leaks', label: 'Leaks', title: 'Active leaks', num: true, sort: (t) => t.active_leaks, cell: (t) => t.active_leaks > 0 ? link(targetPath(t.id) + '/leaks', {}, m('span.badge.bad', count(t.active_leaks))) : '–'},
	{id: 'traced', label: 'Traced', sort: (t) => t.traced ? 1 : 0, cell: (t) => [t.traced ? 'yes' : m('span.soft', 'no'), t.python ? m('span.kind', {title: 'CPython ' + text(t.python, 20)}, 'python') : null]},
];

const matches = (t, words) => [t.name, t.comm, t.exe, t.unit, t.container, t.user, t.rule, stateOf(t), t.pid, t.python && 'python', t.traced && 'traced'].some((v) => v && String(v).toLowerCase().includes(words));

export function Targets() {
	let words = m.route.param('filter') || '', state = m.route.param('state') || 'running', timer, memo = {};
	const resource = new Resource(async (signal) => {
		const {items} = await getAll('targets', {state, sort: 'name'}, 'targets', {signal}); // growth may change between two pages
		return keepEqual(resource.data, items, (t) => t.id);
	}, 5);
	const filtered = (all) => {
		if (memo.all !== all || memo.words !== words)
			memo = {all, words, rows: words.trim() ? all.filter((t) => words.trim().toLowerCase().split(/\s+/).every((word) => matches(t, word))) : all};
		return memo.rows;
	};
	const type = (value) => {
		words = value;
		clearTimeout(timer);
		timer = setTimeout(() => setQuery({filter: words || null}), 400);
	};
	const summary = (all, rows) => {
		const counts = Object.keys(RANKS).map((s) => [s, all.filter((t) => stateOf(t) === s).length]).filter(([, n]) => n);
		return [m('output.share', {'aria-live': 'polite'}, rows.length < all.length ? count(rows.length) + ' of ' + some(all.length, 'target') : some(all.length, 'target')),
			m('.segments.states', counts.map(([s, n]) => m('button.plain[type=button]', {title: 'Show only these', 'aria-label': n + ' ' + s + ': show only these', onclick: () => type(words === s ? '' : s)}, [badge(s), ' ' + n])))];
	};
	const table = (all) => {
		const rows = filtered(all), sort = m.route.param('sort') || '', descending = m.route.param('desc') === true || m.route.param('desc') === 'true';
		return [m('.toolbar', [m('.finder', [m('input#filter[type=search]', {placeholder: 'Filter: name, unit, container, user, state…  ( / )', 'aria-label': 'Filter targets', spellcheck: false, value: words, oninput: (e) => type(e.target.value)})]), summary(all, rows),
			choice('Show', state, [['running', 'running'], ['ended', 'ended'], ['all', 'all']], (v) => {
				state = v;
				resource.refresh();
				setQuery({state: v === 'running' ? null : v});
			}),
			sort ? m('button[type=button]', {onclick: () => setQuery({sort: null, desc: null})}, 'Worst first') : null]),
		m(Grid, {caption: 'Targets', class: 'targets', rows, view: words, columns: COLUMNS, keyOf: (t) => t.id, sort, descending, order: worstFirst, onsort: (id, down) => setQuery({sort: id, desc: down || null}),
			rowClass: (t) => t.state === 'ended' ? 'over' : '', empty: all.length ? 'No target matches “' + text(words, 60) + '”.' : 'Nothing is watched. Rules below “targets:” in the configuration say what is.'})];
	};
	return {
		oninit: () => resource.start(),
		onremove: () => {
			resource.stop();
			clearTimeout(timer);
		},
		view: () => [m('h1[tabindex=-1]', 'Targets'), alertStrip(shared.alerts), m('section[aria-label=Targets]', show(resource, table))],
	};
}
