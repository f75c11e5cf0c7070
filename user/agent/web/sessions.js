// SPDX-License-Identifier: GPL-2.0-or-later
// Sessions: all, those of a target, and one of them.
import {api, get, getAll, post, remove} from './api.js';
import {ask} from './dialog.js';
import {Grid, keepEqual} from './grid.js';
import {leakList} from './leaks.js';
import {Resource} from './resource.js';
import {Timeline} from './timeline.js';
import {badge, choice, downloadLink, facts, figure, fileLink, growthWithSpread, link, notices, setQuery, show, size, targetPath, timeText} from './widgets.js';
import {count, duration, exactRate, isUtc, mib, rate, some, text, when, zone} from './words.js';

const {m, HF} = window;
const pathOf = (id) => 'sessions/' + encodeURIComponent(id);

export async function startSession(target, done) {
	const values = await ask({title: 'Start a session', words: ['Until it is stopped, what “' + text(target.name, 60) + '” (pid ' + target.pid + ') does with its memory is recorded under this name.'], action: 'Start', fields: [
		{name: 'session_name', label: 'Name', required: true, maxlength: 200}, {name: 'description', label: 'Description', type: 'textarea', maxlength: 2000}]});
	if (!values)
		return;
	try {
		const session = await post('sessions', {target: target.id, ...values});
		notices.say(['Session ', link('/sessions/' + session.session_id, {}, text(session.session_name)), ' runs.']);
	} catch (e) {
		notices.problem(e);
	}
	done();
}

export async function stopSession(session, done) {
	try {
		const stopped = await post(pathOf(session.session_id) + '/stop');
		notices.say(['Session ', link('/sessions/' + stopped.session_id, {}, text(stopped.session_name)), ' has ended: peak ' + mib(stopped.peak_memory_mb) + ', ' + some(HF.list(stopped.detected_leaks).length, 'leak') + '.']);
	} catch (e) {
		notices.problem(e);
	}
	done();
}

const stopButton = (s, done) => s.state === 'running' ? m('button[type=button]', {onclick: () => stopSession(s, done), 'aria-label': 'Stop session ' + text(s.session_name, 80)}, 'Stop') : null;
const lasted = (s) => duration(s.statistics?.duration_s ?? (Date.parse(s.end_time || new Date().toISOString()) - Date.parse(s.start_time)) / 1000);

export function sessionTable(sessions, done, named) {
	const columns = [
		{id: 'name', label: 'Name', cell: (s) => [link('/sessions/' + encodeURIComponent(s.session_id), {}, text(s.session_name, 100) || s.session_id), s.description ? m('span.src', HF.clip(text(s.description), 120)) : null]},
		named && {id: 'target', label: 'Target', cell: (s) => link(targetPath(s.target), {}, 'pid ' + s.pid)},
		{id: 'state', label: 'State', cell: (s) => badge(s.state)}, {id: 'start', label: 'Started', cell: (s) => timeText(s.start_time)}, {id: 'length', label: 'Lasted', num: true, cell: lasted},
		{id: 'peak', label: 'Peak', num: true, cell: (s) => m('span', {title: s.peak_memory_mb + ' MiB'}, mib(s.peak_memory_mb))}, {id: 'growth', label: 'Growth', num: true, cell: (s) => s.statistics ? m('span', {title: exactRate(s.statistics.growth_rate_mb_per_min, s.statistics.growth_interval)}, rate(s.statistics.growth_rate_mb_per_min)) : '–'},
		{id: 'leaks', label: 'Leaks', num: true, cell: (s) => HF.list(s.detected_leaks).length ? m('span.badge.bad', count(s.detected_leaks.length)) : '–'}, {id: 'stop', label: 'Action', cell: (s) => stopButton(s, done) || '–'},
	].filter(Boolean);
	return m(Grid, {caption: 'Sessions', rows: sessions, columns, keyOf: (s) => s.session_id, empty: 'No sessions. One is started on a target’s page, by ctl, or by the Python client.'});
}

export const newestFirst = (a, b) => Date.parse(b.start_time) - Date.parse(a.start_time);

export function Sessions() {
	let state = m.route.param('state') || 'all';
	const resource = new Resource(async (signal) => {
		const {items} = await getAll('sessions', {state}, 'sessions', {signal});
		return keepEqual(resource.data, items.sort(newestFirst), (s) => s.session_id);
	}, 10);
	return {
		oninit: () => resource.start(),
		onremove: () => resource.stop(),
		view: () => [m('h1[tabindex=-1]', 'Sessions'), m('section[aria-label=Sessions]', [m('.toolbar', [choice('Show', state, [['all', 'all'], ['running', 'running'], ['ended', 'ended']], (v) => {
			state = v;
			resource.refresh();
			setQuery({state: v === 'all' ? null : v});
		}), resource.data ? m('output.share', some(resource.data.length, 'session')) : null]), show(resource, (sessions) => sessionTable(sessions, () => resource.refresh(), true))])],
	};
}

const LINES = [['RSS', 'rss_bytes', '--line0', 'line0'], ['USS', 'uss_bytes', '--line2', 'line2'], ['Heap', 'heap_live_bytes', '--line3', 'line3']];

/* Of raw snapshots: their times may be RFC 3339 or unix seconds. */
function seriesOf({snapshots}) {
	const rows = HF.list(snapshots).map((s) => ({...s, at: typeof s.time === 'number' ? s.time : Date.parse(s.time) / 1000})).filter((s) => Number.isFinite(s.at)).sort((a, b) => a.at - b.at);
	const times = rows.map((r) => r.at), span = times.length > 1 ? (times[times.length - 1] - times[0]) / (times.length - 1) : 1;
	return {times, resolution: Math.max(span, 0.1), lines: LINES.map(([label, field, tone, className]) => ({label, tone, className, values: rows.map((r) => r[field])})).filter((l) => l.values.some(Number.isFinite))};
}

/* attrs: snapshots, stamp. */
function SessionChart() {
	let timeline, drawn = '', zoom = null;
	const draw = ({attrs}) => {
		const name = attrs.stamp + '/' + isUtc() + '/' + zoom;
		if (name === drawn)
			return;
		drawn = name;
		const series = seriesOf(attrs.snapshots), all = [series.times[0] ?? 0, Math.max(series.times[series.times.length - 1] ?? 1, (series.times[0] ?? 0) + 1)];
		timeline.set({series, lines: series.lines, window: zoom || all, thresholds: [], marks: [], fromZero: false, summary: some(series.times.length, 'reading')});
	};
	return {
		oncreate: (vnode) => {
			timeline = new Timeline(vnode.dom, {about: 'Memory during the session', onrange: (from, to) => { zoom = [from, to]; draw(vnode); }, onreset: () => { zoom = null; draw(vnode); }});
			draw(vnode);
		},
		onupdate: draw,
		onremove: () => timeline.done(),
		view: () => m('.timeline-host'),
	};
}

async function deleteSession(session) {
	if (!await ask({title: 'Delete this session?', words: ['Its record, report and snapshots are gone for good.'], action: 'Delete', danger: true}))
		return;
	try {
		await remove(pathOf(session.session_id));
		notices.say('The session is deleted.');
		m.route.set('/sessions');
	} catch (e) {
		notices.problem(e);
	}
}

function statistics(s) {
	const v = HF.map(s.statistics);
	return facts([['Readings', count(v.samples)], ['RSS at the start', size(v.start_rss_bytes)], ['RSS at the end', size(v.end_rss_bytes)], ['Allocations', count(v.allocs)], ['Allocated', size(v.alloc_bytes)], ['Held', size(v.outstanding_bytes)], ['Collections', count(v.gc_collections)]]);
}

export function Session() {
	const id = m.route.param('id');
	const session = new Resource((signal) => get(pathOf(id), {}, {signal}), 5, (s) => { session.seconds = s.state === 'running' ? 5 : 0; });
	const snapshots = new Resource((signal) => get(pathOf(id) + '/snapshots', {}, {signal}), 10, () => { snapshots.seconds = session.data && session.data.state !== 'running' ? 0 : 10; });
	const again = () => {
		session.refresh();
		snapshots.refresh();
	};
	const file = (s, words) => (text(s.session_name, 60).replace(/[^\w.-]+/g, '_') || id) + words;
	const page = (s) => [
		m('header.head', [m('h1[tabindex=-1]', [text(s.session_name) || 'Session', ' ', badge(s.state)]), s.description ? m('p', text(s.description, 2000)) : null,
			m('p.facts', [m('span', link(targetPath(s.target), {}, 'target ' + s.target + ', pid ' + s.pid)), m('span', [when(s.start_time), s.end_time ? ' to ' + when(s.end_time) : ', running', ', ', zone()]), m('span', ['id ', m('code', text(s.session_id, 40))])]),
			m('dl.verdict-facts', [figure('Peak', mib(s.peak_memory_mb), s.peak_memory_mb + ' MiB'), figure('Growth', growthWithSpread(HF.map(s.statistics))), figure('Lasted', lasted(s)), figure('Leaks', count(HF.list(s.detected_leaks).length))]),
			m('.buttons', [stopButton(s, again), m('button[type=button].danger', {onclick: () => deleteSession(s)}, 'Delete')])]),
		m('section[aria-label=Memory during the session]', [m('h2', 'Memory'), show(snapshots, (data) => m(SessionChart, {snapshots: data, stamp: snapshots.at}), 'Reading the snapshots…'), m('p.note#timeline-keys', 'Drag to zoom, Shift and drag to pan, double click for all of it. Keys: arrows move the cursor, Page up and down pan, + and − zoom, Esc shows all.')]),
		m('section[aria-label=Leaks found]', [m('h2', 'Leaks found'), leakList(HF.list(s.detected_leaks), {none: s.state === 'running' ? 'None so far.' : 'None.'})]),
		HF.list(s.recommendations).length ? m('section[aria-label=Recommendations]', [m('h2', 'Recommendations'), m('ul', s.recommendations.map((r) => m('li', text(r, 1000))))]) : null,
		m('section[aria-label=Statistics]', [m('h2', 'Statistics'), statistics(s)]),
		m('section[aria-label=Downloads]', [m('h2', 'Downloads'), m('p.links', [downloadLink(pathOf(id) + '/report', {}, file(s, '.json'), 'Report (JSON)'), ' ', downloadLink(pathOf(id) + '/snapshots', {}, file(s, '-snapshots.json'), 'Raw snapshots (JSON)'), ' ', fileLink(api(pathOf(id) + '/chart.svg'), file(s, '.svg'), 'Chart (SVG)')])]),
	];
	return {
		oninit: () => {
			session.start();
			snapshots.start();
		},
		onremove: () => {
			session.stop();
			snapshots.stop();
		},
		view: () => [m('nav.trail[aria-label=Way]', link('/sessions', {}, '← Sessions')), show(session, page)],
	};
}
