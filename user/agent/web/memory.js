// SPDX-License-Identifier: GPL-2.0-or-later
// A target's memory: which lines, which time, what the figures say in words, and the same as a table.
import {get} from './api.js';
import {live} from './live.js';
import {Resource} from './resource.js';
import {readEvents} from './shared.js';
import {Timeline} from './timeline.js';
import {problemOf, segments, setQuery, show, toneOf} from './widgets.js';
import {bytes, exactBytes, isUtc, rate, some, spread, text, when, zone} from './words.js';

const {m, HF} = window;
const RANGES = {'15m': [900, 5], '1h': [3600, 10], '1d': [86400, 60], '7d': [604800, 300]}; // how long, and how often it is asked for, in seconds
const WORDS = {'15m': '15 min', '1h': '1 h', '1d': '1 day', '7d': '7 days'};
const LINES = [
	{id: 'rss', field: 'rss_bytes', label: 'RSS', tone: '--line0', className: 'line0', help: 'Resident memory'}, {id: 'pss', field: 'pss_bytes', label: 'PSS', tone: '--line1', className: 'line1', help: 'Resident, what is shared by its share'},
	{id: 'uss', field: 'uss_bytes', label: 'USS', tone: '--line2', className: 'line2', help: 'What would be free if it ended'}, {id: 'vms', field: 'vms_bytes', label: 'VMS', tone: '--line4', className: 'line4', help: 'Virtual memory'},
	{id: 'heap', field: 'heap_live_bytes', label: 'Heap', tone: '--line3', className: 'line3', help: 'Live on the heap'},
];
const TABLE_ROWS = 120, EVENT_PAGES = 3;
const SIGNS = {TargetAppeared: '+', TargetEnded: '■', TargetOomKilled: '✖', LeakDetected: '▲', LeakCleared: '✓', PerformanceThresholdExceeded: '▲', MemoryOperationStarted: '▸', MemoryOperationCompleted: '◂'};

const list = (value) => Array.isArray(value) ? value : [];

function readTrends(answer) {
	const times = list(answer.timestamps).filter(Number.isFinite);
	return {...answer, times, resolution: answer.resolution_s > 0 ? answer.resolution_s : 1};
}

/* Changes of a line over what is shown, for the summary. */
function ends(values) {
	const known = list(values).filter(Number.isFinite);
	return known.length ? {first: known[0], last: known[known.length - 1], most: known.reduce((a, b) => Math.max(a, b)), least: known.reduce((a, b) => Math.min(a, b))} : null;
}

/* The time that the address names: a range that ends now (of a target that has ended: then), or from and to. */
function timeOf() {
	const from = Number(m.route.param('from')), to = Number(m.route.param('to'));
	if (from > 0 && to > from)
		return {from, to, fixed: true};
	const range = RANGES[m.route.param('range')] ? m.route.param('range') : '1h';
	return {range, fixed: false};
}

/* attrs: target (as the list or the detail has it), profiles, onprofile(profile), onmoment(time). */
export function Memory() {
	let target, ended = NaN, timeline, asked, events = [], eventsOf = '', shownEvents = null;
	const seconds = () => timeOf().fixed || ended > 0 ? 0 : RANGES[timeOf().range][1];
	const latest = () => ended > 0 ? ended : Date.now() / 1000;
	const nameOf = ({fixed, from, to, range}) => fixed ? from + '/' + to : range + '/' + ended;
	const learn = (t) => {
		target = t.id;
		ended = t.ended_at ? Date.parse(t.ended_at) / 1000 : NaN;
	};
	const window = () => {
		const t = timeOf(), to = latest();
		return t.fixed ? [t.from, t.to] : [to - RANGES[t.range][0], to];
	};
	const trends = new Resource(async (signal) => {
		const [from, to] = window();
		const answer = await get('targets/' + encodeURIComponent(target) + '/trends', {from: from.toFixed(3), to: to.toFixed(3), points: 600}, {signal});
		return {...readTrends(answer), window: [from, to]};
	}, 10);
	const history = new Resource(async (signal) => (await readEvents({target}, signal, EVENT_PAGES)).events, 0, (read) => { events = read; });
	const forget = live.listen((fresh) => {
		events = [...fresh.filter((e) => String(e.target) === String(target)).reverse(), ...events];
	});
	/* Asks again when the address names another time, or the target has ended. */
	const follow = () => {
		const name = nameOf(timeOf());
		if (name === asked)
			return;
		asked = name;
		timeline.forget();
		trends.seconds = seconds();
		trends.refresh();
	};
	const chosen = () => {
		const words = m.route.param('lines');
		const ids = typeof words === 'string' && words ? words.split(',') : ['rss', 'uss', 'heap'];
		return LINES.filter((line) => ids.includes(line.id));
	};
	const goTo = (from, to) => {
		const now = Date.now() / 1000, width = Math.max(10, Math.min(to - from, 90 * 86400)), end = Math.min(to, now);
		setQuery({from: Math.round(end - width), to: Math.round(end), range: null}, true);
	};
	const goLive = (range) => {
		timeline.forget();
		setQuery({range: range === '1h' ? null : range, from: null, to: null}, true);
	};

	const marks = (attrs) => [
		...events.map((e) => ({time: Date.parse(e.time) / 1000, kind: 'event', label: text(e.text, 200) || text(e.event, 60), sign: SIGNS[e.event] || '●', tone: '--' + toneOf(e.severity)[0], toneClass: toneOf(e.severity)[0], weight: {critical: 2, warning: 1}[e.severity] || 0,
			rule: e.severity === 'critical', open: (group) => { shownEvents = group; m.redraw(); }, event: e})),
		...attrs.profiles.map((p) => ({time: Date.parse(p.time) / 1000, kind: 'profile', label: 'profile (' + text(p.reason, 40) + '): show its flamegraph', sign: '▤', tone: '--accent', open: (group) => attrs.onprofile(group[group.length - 1].profile), profile: p})),
	].filter((mark) => Number.isFinite(mark.time));

	const thresholds = (data) => {
		const t = data.thresholds || {};
		return [[t.warning_bytes, 'warning', '--warn'], [t.critical_bytes, 'critical', '--bad'], [data.limit_bytes, 'limit', '--bad']].filter(([v]) => v > 0).map(([value, word, tone]) => ({value, label: word + ' ' + bytes(value), tone, word}));
	};

	const summary = (data) => {
		const rss = ends(data.rss_bytes);
		if (!rss)
			return 'Nothing was read in this time.';
		const [from, to] = data.window, inside = events.filter((e) => Date.parse(e.time) / 1000 >= from && Date.parse(e.time) / 1000 <= to).length;
		const above = thresholds(data).filter((t) => rss.most > t.value).map((t) => t.word);
		return 'RSS went from ' + bytes(rss.first) + ' to ' + bytes(rss.last) + ' (lowest ' + bytes(rss.least) + ', highest ' + bytes(rss.most) + '); growth ' + rate(data.growth_rate_mb_per_min) + ' ' + spread(data.growth_rate_mb_per_min, data.growth_interval) + '; ' + some(inside, 'event') +
			(above.length ? '; above ' + above.join(' and ') : '') + '. ' + when(from) + ' to ' + when(to) + ', ' + zone() + ', one point for ' + HF.duration(data.resolution) + '.';
	};

	/* Draws, if anything that is drawn is another. */
	let drawn = '';
	const draw = (vnode) => {
		const data = trends.data;
		if (!data || !timeline)
			return;
		const attrs = vnode.attrs, lines = chosen(), zero = m.route.param('zero') === true;
		const name = [trends.at, lines.map((l) => l.id), zero, events.length, attrs.profiles.length, isUtc(), eventsOf].join();
		if (name === drawn)
			return;
		drawn = name;
		const low = lines.find((l) => l.id === 'rss') && data.rss_min_bytes, high = low && data.rss_max_bytes;
		timeline.set({
			series: data, window: data.window, thresholds: thresholds({...data, limit_bytes: attrs.target.limit_bytes}), marks: marks(attrs), fromZero: zero, summary: summary(data),
			lines: lines.map((line) => ({...line, values: list(data[line.field]), ...(line.id === 'rss' && {low, high})})),
		});
	};

	const table = (data) => {
		const step = Math.max(1, Math.ceil(data.times.length / TABLE_ROWS));
		return m('.scroll.short', {tabindex: 0, role: 'region', 'aria-label': 'Memory over time as a table'}, m('table', [m('caption.sr', 'Memory over time'), m('thead', m('tr', [m('th[scope=col]', 'Time'), LINES.map((l) => m('th[scope=col].num', {title: l.help}, l.label))])),
			m('tbody', data.times.map((t, i) => i % step ? null : m('tr', [m('th[scope=row]', when(t)), LINES.map((l) => m('td.num', {title: exactBytes(list(data[l.field])[i])}, bytes(list(data[l.field])[i])))])))]));
	};

	const toolbar = () => {
		const t = timeOf(), on = chosen().map((l) => l.id), [from, to] = window(), width = to - from;
		const toggle = (id) => setQuery({lines: LINES.map((l) => l.id).filter((other) => on.includes(other) !== (other === id)).join(',') || 'rss'});
		return m('.toolbar', [
			m('.segments', {role: 'group', 'aria-label': 'Time range'}, Object.keys(RANGES).map((r) => m('button[type=button]', {'aria-pressed': String(!t.fixed && t.range === r), onclick: () => goLive(r)}, WORDS[r]))),
			m('button[type=button].live', {'aria-pressed': String(!t.fixed), title: 'Follow what comes (l)', onclick: () => t.fixed ? goLive('1h') : goTo(from, to)}, [m('span.dot', {'aria-hidden': 'true'}), 'Live']),
			m('.segments', {role: 'group', 'aria-label': 'Move in time'}, [
				['◀', 'Earlier', () => goTo(from - width / 2, to - width / 2)], ['▶', 'Later', () => goTo(from + width / 2, to + width / 2)], ['−', 'Zoom out', () => goTo(from - width / 2, to + width / 2)], ['+', 'Zoom in', () => goTo(from + width / 4, to - width / 4)],
			].map(([sign, label, onclick]) => m('button[type=button]', {'aria-label': label, title: label, onclick, disabled: label === 'Later' && !t.fixed}, sign))),
			m('.keys-row', {role: 'group', 'aria-label': 'Lines'}, LINES.map((l) => m('button[type=button].key', {class: l.className, 'aria-pressed': String(on.includes(l.id)), title: l.help, onclick: () => toggle(l.id)}, [m('span.swatch', {'aria-hidden': 'true'}), l.label]))),
			m('button[type=button]', {'aria-pressed': String(m.route.param('zero') === true), title: 'Let the axis begin at zero', onclick: () => setQuery({zero: m.route.param('zero') === true ? null : true})}, 'From 0'),
		]);
	};

	const eventBox = () => shownEvents && m('.event-box', {role: 'region', 'aria-label': 'Events at this moment'}, [m('ul', shownEvents.slice(0, 20).map(({event: e}) => m('li', [m('span.soft', when(e.time)), ' ', m('b', text(e.event, 60)), ' ', text(e.text)]))), shownEvents.length > 20 ? m('p.soft', '… ' + (shownEvents.length - 20) + ' more') : null,
		m('button[type=button]', {onclick: () => { shownEvents = null; }}, 'Close')]);

	return {
		oninit: (vnode) => {
			learn(vnode.attrs.target);
			trends.start();
			asked = nameOf(timeOf());
			trends.seconds = seconds();
			history.start();
		},
		oncreate: (vnode) => {
			timeline = new Timeline(vnode.dom.querySelector('.timeline-host'), {about: 'Memory', onrange: goTo, onreset: () => goLive('1h')});
			draw(vnode);
		},
		onupdate: (vnode) => {
			learn(vnode.attrs.target);
			follow();
			draw(vnode);
		},
		onremove: () => {
			forget();
			trends.stop();
			history.stop();
			timeline.done();
		},
		view: (vnode) => m('section#memory[aria-label=Memory over time]', [m('h2', 'Memory over time'), toolbar(), trends.data && problemOf(trends), trends.problem ? null : problemOf(history),
			m('.timeline-host', {class: trends.loading && trends.data && trends.data.window[1] < latest() - 600 ? 'stale' : ''}),
			m('p.note#timeline-keys', 'Drag to zoom, Shift and drag to pan, double click for the last hour' + (ended > 0 ? ' of its life' : '') + '. Keys: arrows move the cursor, Page up and down pan, + and − zoom, Esc shows the last hour.'),
			eventBox(), trends.data ? [m('p.summary', summary(trends.data)), vnode.attrs.onmoment && m('.buttons.tight', m('button[type=button]', {disabled: !vnode.attrs.profiles.length, title: 'The newest profile that is not later than the cursor, or than the end of what is shown', onclick: () => vnode.attrs.onmoment(timeline.moment() ?? trends.data.window[1])}, 'Flamegraph at this moment')),
				m('details', [m('summary', 'As a table'), table(trends.data)])] : show(trends, () => null)]),
	};
}
