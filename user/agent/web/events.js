// SPDX-License-Identifier: GPL-2.0-or-later
// Alerts that fire, and events: what was, and live what comes.
import {Grid} from './grid.js';
import {live} from './live.js';
import {Resource} from './resource.js';
import {readEvents, shared} from './shared.js';
import {badge, choice, link, setQuery, show, targetPath} from './widgets.js';
import {ago, bytes, exactBytes, exactRate, rate, some, text, when, zone} from './words.js';

const {m, HF} = window;
const KINDS = ['MemoryOperationStarted', 'MemoryOperationCompleted', 'PerformanceThresholdExceeded', 'TargetAppeared', 'TargetEnded', 'TargetOomKilled', 'LeakDetected', 'LeakCleared'];
const words = (kind) => kind.replace(/([a-z])([A-Z])/g, '$1 $2').replace(/ [A-Z]/g, (s) => s.toLowerCase()).replace(' oom ', ' OOM ');

const details = (event) => {
	const pairs = Object.entries(HF.map(event.details)).filter(([, v]) => v !== null && v !== '');
	return pairs.length ? m('details', [m('summary', ['Details', m('span.sr', ' of event ' + event.id)]), m('dl.pairs', pairs.slice(0, 40).map(([k, v]) => [m('dt', text(k, 60)), m('dd', m('code', typeof v === 'object' ? text(JSON.stringify(v), 2000) : text(v, 500)))]))]) : null;
};

const COLUMNS = [
	{id: 'time', label: 'Time', cell: (e) => m('time', {datetime: text(e.time, 40), title: 'event ' + e.id + ', ' + text(e.time, 40)}, when(e.time))}, {id: 'severity', label: 'Severity', cell: (e) => badge(e.severity)},
	{id: 'event', label: 'Kind', cell: (e) => m('span', {title: text(e.event, 60)}, words(text(e.event, 60)))},
	{id: 'target', label: 'Target', cell: (e) => e.target !== null && e.target !== undefined ? link(targetPath(e.target), {}, (text(e.target_name, 60) || 'target ' + e.target) + (e.pid ? ' ' + e.pid : '')) : '–'},
	{id: 'text', label: 'What', class: 'what', cell: (e) => [m('p', text(e.text, 1000)), details(e)]},
];

export const eventList = (events, {named, none}) => m(Grid, {caption: 'Events', class: 'events', rows: events, columns: named ? COLUMNS : COLUMNS.filter((c) => c.id !== 'target'), keyOf: (e) => e.id, empty: none});

const value = (v, alert) => typeof v !== 'number' ? '–' : /memory|rss|bytes/.test(alert.name) ? m('span', {title: exactBytes(v)}, bytes(v)) : /growth/.test(alert.name) ? m('span', {title: exactRate(v)}, rate(v)) : String(+v.toFixed(3));

const ALERT_COLUMNS = [
	{id: 'severity', label: 'Severity', cell: (a) => badge(a.severity)}, {id: 'name', label: 'Alert', cell: (a) => words(text(a.name, 60)).replace(/_/g, ' ')},
	{id: 'target', label: 'Target', cell: (a) => a.target !== null && a.target !== undefined ? link(targetPath(a.target), {}, text(a.target_name, 60) || 'target ' + a.target) : 'the agent'},
	{id: 'text', label: 'What', class: 'what', cell: (a) => text(a.text, 1000)}, {id: 'value', label: 'Value', num: true, cell: (a) => value(a.value, a)}, {id: 'threshold', label: 'Threshold', num: true, cell: (a) => value(a.threshold, a)},
	{id: 'since', label: 'Since', cell: (a) => m('span', {title: when(a.since)}, ago(a.since))},
];

export function Alerts() {
	let older = [], cursor = null, loading = false, problem = null;
	const query = () => ({kind: m.route.param('kind') || null, target: m.route.param('target') || null});
	const severity = () => m.route.param('severity') || '';
	const first = new Resource(async (signal) => {
		const read = await readEvents(query(), signal, 1);
		older = [];
		cursor = read.cursor;
		return read.events;
	}, 0);
	let asked = JSON.stringify(query());
	const matching = (e) => (!query().kind || e.event === query().kind) && (!query().target || String(e.target) === String(query().target)) && (!severity() || e.severity === severity());
	let memo = {};
	const all = (read) => {
		const name = [read.length, older.length, shared.events.length, shared.events[0]?.id, asked, severity()].join();
		if (memo.name !== name || memo.read !== read) {
			const known = new Map([...older, ...read, ...shared.events].map((e) => [e.id, e]));
			memo = {name, read, events: [...known.values()].filter(matching).sort((a, b) => b.id - a.id)};
		}
		return memo.events;
	};
	const more = async () => {
		loading = true;
		problem = null;
		try {
			const read = await readEvents(query(), undefined, 1, cursor);
			older = [...older, ...read.events];
			cursor = read.cursor;
		} catch (e) {
			problem = e;
		}
		loading = false;
		m.redraw();
	};
	const listing = (read) => [eventList(all(read), {named: true, none: 'No event of this kind is kept.'}), problem ? m('p.problem', {role: 'alert'}, problem.what) : null,
		cursor ? m('.pager', m('button[type=button]', {disabled: loading, onclick: more}, loading ? 'Reading…' : 'Older events')) : null];
	const alerts = ({alerts: firing}) => m(Grid, {caption: 'Firing alerts', rows: firing, columns: ALERT_COLUMNS, keyOf: (a) => a.name + '/' + a.target, empty: 'No alert fires.', stamp: shared.alerts.at});
	return {
		oninit: () => first.start(),
		onupdate: () => {
			if (JSON.stringify(query()) !== asked) {
				asked = JSON.stringify(query());
				first.refresh();
			}
		},
		onremove: () => first.stop(),
		view: () => [m('h1[tabindex=-1]', 'Alerts and events'),
			m('section[aria-label=Firing alerts]', [m('h2', ['Firing now', shared.alerts.data ? m('span.soft', ' ' + shared.alerts.data.alerts.length) : null]), show(shared.alerts, alerts)]),
			m('section[aria-label=Events]', [m('h2', 'Events'), m('.toolbar', [
				choice('Kind', query().kind || '', [['', 'all'], ...KINDS.map((k) => [k, words(k)])], (v) => setQuery({kind: v})), choice('Severity', severity(), [['', 'all'], ['info', 'info'], ['warning', 'warning'], ['critical', 'critical']], (v) => setQuery({severity: v})),
				m('label.choice', [m('span', 'Target'), m('input[type=search][size=12]', {placeholder: 'id or pid-4312', value: query().target || '', onchange: (e) => setQuery({target: e.target.value.trim()})})]),
				m('span.share', {class: live.connected ? 'live-on' : ''}, [m('span.dot', {'aria-hidden': 'true'}), live.connected ? 'live' : 'not live: connecting']), first.data ? m('output.share', some(all(first.data).length, 'event')) : null, m('span.soft', 'Times: ' + zone())]),
			show(first, listing)])],
	};
}
