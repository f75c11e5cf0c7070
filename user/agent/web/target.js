// SPDX-License-Identifier: GPL-2.0-or-later
// One target: how it does, its memory over time, and below that what a tab shows.
import {get, getAll, post} from './api.js';
import {ask} from './dialog.js';
import {ending, stateOf} from './ending.js';
import {eventList} from './events.js';
import {FlameTab, PythonTab} from './flame_view.js';
import {componentTable, profileTable, SpanTable} from './holdings.js';
import {leakList} from './leaks.js';
import {live} from './live.js';
import {Memory} from './memory.js';
import {Resource} from './resource.js';
import {newestFirst, sessionTable, startSession, stopSession} from './sessions.js';
import {readEvents} from './shared.js';
import {badge, figure, growthWithSpread, limitText, link, notices, segments, setQuery, show, targetPath} from './widgets.js';
import {bytes, count, duration, exactBytes, rate, some, text, when} from './words.js';

const {m, HF} = window;
const TABS = {leaks: 'Leaks', flame: 'Flamegraph', components: 'Components', spans: 'Spans', python: 'Python', profiles: 'Profiles', sessions: 'Sessions', events: 'Events'};

async function attempt(work) {
	try {
		notices.say(await work());
	} catch (e) {
		notices.problem(e);
	}
}

async function traceNow(t, done) {
	const values = await ask({title: 'Trace now?', words: ['What “' + text(t.name, 60) + '” (pid ' + t.pid + ') allocates is traced, within the budget; a profile comes of it.'], action: 'Trace', fields: [{name: 'for_s', label: 'For how many seconds', type: 'number', value: 60, min: 1, max: 86400, required: true}]});
	if (!values)
		return;
	await attempt(async () => {
		const {state} = await post('targets/' + t.id + '/trace', {for_s: values.for_s});
		return 'Tracing for ' + duration(values.for_s) + ': ' + text(state || 'started', 60) + '.';
	});
	done();
}

/* The one thing that changes something in the target: so it is asked for twice. */
async function collect(t, done) {
	const values = await ask({title: 'Force a garbage collection?', danger: true, action: 'Collect', words: ['This runs gc.collect() inside “' + text(t.name, 60) + '” (pid ' + t.pid + '). It stops the program for that time, and is the only thing here that changes the program.'],
		fields: [{name: 'trim', label: 'Also give free heap back to the system (malloc_trim)', type: 'checkbox'}]});
	if (!values)
		return;
	await attempt(async () => {
		const r = await post('targets/' + t.id + '/gc', {trim: values.trim, wait_s: 10});
		return some(r.collected_objects, 'object') + ' collected, ' + some(r.objects_freed, 'object') + ' freed in ' + HF.duration(r.duration_ms / 1000) + '; RSS ' + bytes(r.before?.rss_bytes) + ' → ' + bytes(r.after?.rss_bytes) + (values.trim ? ', ' + bytes(r.trimmed_bytes) + ' given back' : '') + '.';
	});
	done();
}

function actions(t, running, again) {
	const alive = t.state !== 'ended';
	return m('.buttons', {role: 'group', 'aria-label': 'Actions'}, alive ? [
		m('button[type=button]', {onclick: () => traceNow(t, again), disabled: t.traced, title: t.traced ? 'It is being traced' : 'Trace its allocations for a while'}, t.traced ? 'Being traced' : 'Trace now…'),
		t.python ? m('button[type=button]', {onclick: () => collect(t, again), title: 'Run gc.collect() in it'}, 'Force gc…') : null,
		m('button[type=button]', {onclick: () => startSession(t, again)}, 'Start session…'),
		running.map((s) => m('button[type=button]', {key: s.session_id, onclick: () => stopSession(s, again)}, 'Stop “' + HF.clip(text(s.session_name, 60), 24) + '”')),
	] : ending(t));
}

function head(t, running, again) {
	const limits = HF.map(t.thresholds);
	const told = [text(t.exe), t.unit && 'unit ' + text(t.unit, 80), t.container && 'container ' + text(t.container, 80).slice(0, 12), t.user && 'user ' + text(t.user, 40), t.rule && 'rule ' + text(t.rule, 60), t.python && 'CPython ' + text(t.python, 20), 'started ' + when(t.started_at)];
	return m('header.head', [
		m('h1[tabindex=-1]', [text(t.name, 100) || text(t.comm, 100), m('span.soft', ' pid ' + t.pid), ' ', badge(stateOf(t))]),
		m('p.facts', told.filter(Boolean).map((word) => m('span', word))), t.cmdline ? m('p.cmdline', m('code', text(Array.isArray(t.cmdline) ? t.cmdline.join(' ') : t.cmdline, 2000))) : null,
		m('dl.verdict-facts', [figure('RSS', bytes(t.rss_bytes), exactBytes(t.rss_bytes)), figure('USS', bytes(t.uss_bytes), exactBytes(t.uss_bytes)), figure('PSS', bytes(t.pss_bytes), exactBytes(t.pss_bytes)), figure('Heap live', bytes(t.heap_live_bytes), exactBytes(t.heap_live_bytes)), figure('Swap', bytes(t.swap_bytes), exactBytes(t.swap_bytes)),
			figure('Growth', growthWithSpread(t)), figure('Limit in', limitText(t)), figure('Active leaks', count(t.active_leaks)),
			figure('Thresholds', [limits.warning_bytes ? bytes(limits.warning_bytes) : '–', ' / ', limits.critical_bytes ? bytes(limits.critical_bytes) : '–', limits.growth_mb_per_min ? ' / ' + rate(limits.growth_mb_per_min) : ''], 'Warning, critical, growth')]),
		actions(t, running, again),
	]);
}

/* attrs: target, leaks (a resource), state, onstate, onchange. */
const leakTab = ({target, leaks, state, onstate}) => [m('.toolbar', segments('Which leaks', state, [target.state === 'ended' ? ['at_end', 'At its end'] : ['active', 'Active'], ['cleared', 'Cleared'], ['all', 'All']], onstate)),
	show(leaks, (all) => leakList(all, {none: state === 'at_end' ? 'None was active at its end.' : state === 'active' ? ('No active leak. ' + (target.state === 'growing' ? 'It grows; tracing tells whether that is a leak.' : 'Nothing grows without bound.')) : 'None.', onchange: () => leaks.refresh()}))];

/* Something below the target's path, asked for while its tab is open. */
function Asked() {
	let resource;
	return {
		oninit: ({attrs}) => { resource = new Resource(attrs.load, attrs.seconds).start(); },
		onremove: () => resource.stop(),
		view: ({attrs}) => show(resource, (data) => attrs.view(data, resource)),
	};
}

export function Target() {
	const id = m.route.param('id'), path = 'targets/' + encodeURIComponent(id);
	let leakState = m.route.param('leaks') || null;
	let over = false;
	const target = new Resource((signal) => get(path, {}, {signal}), 5, (t) => {
		if (over !== (t.state === 'ended')) {
			over = !over;
			leaks.refresh();
		}
	});
	const profiles = new Resource(async (signal) => (await getAll(path + '/profiles', {}, 'profiles', {signal, most: 3})).items.sort((a, b) => Date.parse(b.time) - Date.parse(a.time)), 15);
	/* What matters first: what is active, or was when it ended. */
	const firstState = () => target.data?.state === 'ended' ? 'at_end' : 'active', shownState = () => leakState || firstState();
	const leaks = new Resource(async (signal) => (await getAll('leaks', {target: id, state: shownState()}, 'leaks', {signal, most: 3})).items, 15);
	const sessions = new Resource(async (signal) => (await getAll('sessions', {target: id, state: 'all'}, 'sessions', {signal, most: 3})).items.sort(newestFirst), 10);
	const all = [target, profiles, leaks, sessions];
	const again = () => [target, sessions, profiles].forEach((r) => r.refresh());
	const forget = live.listen((events) => {
		if (events.some((e) => String(e.target) === String(target.data?.id) && e.event !== 'MemoryOperationStarted'))
			all.forEach((r) => r.refresh());
	});
	const open = (tab, query) => m.route.set(targetPath(id) + '/' + tab, query);
	const keepTime = () => ({range: m.route.param('range'), from: m.route.param('from'), to: m.route.param('to'), lines: m.route.param('lines')});
	/* The newest profile that is not later; before the first one, the first. */
	const atMoment = (time) => {
		const list = profiles.data || [], p = list.find((q) => Date.parse(q.time) / 1000 <= time) || list[list.length - 1];
		if (p)
			showProfile(p);
	};
	const showProfile = (p) => {
		const query = {...keepTime(), profile: p.id};
		for (const [name, value] of Object.entries(query))
			if (value === undefined || value === null)
				delete query[name];
		open('flame', query);
		HF.announce('Flamegraph of ' + when(p.time));
		setTimeout(() => document.getElementById('tabs').scrollIntoView({block: 'start'}), 50);
	};
	const views = {
		leaks: (t) => leakTab({target: t, leaks, state: shownState(), onstate: (v) => {
			leakState = v === firstState() ? null : v;
			leaks.refresh();
			setQuery({leaks: leakState});
		}}),
		flame: (t) => show(profiles, (list) => m(FlameTab, {target: t, profiles: list, leaks: leaks.data || []})),
		components: () => m(Asked, {key: 'components', load: (signal) => get(path + '/components', {}, {signal}), seconds: 15, view: componentTable}),
		spans: () => m(Asked, {key: 'spans', load: (signal) => getAll(path + '/spans', {}, 'spans', {signal, most: 5}), seconds: 15, view: ({items}) => m(SpanTable, {spans: items})}),
		python: (t) => t.python ? show(profiles, (list) => m(PythonTab, {target: t, profiles: list})) : m('p.empty', 'This target runs no Python.'),
		profiles: (t) => show(profiles, (list) => profileTable(t, list)),
		sessions: (t) => [m('.toolbar', t.state === 'ended' ? null : m('button[type=button].primary', {onclick: () => startSession(t, again)}, 'Start session…')), show(sessions, (list) => sessionTable(list, again, false))],
		events: () => m(Asked, {key: 'events', load: async (signal) => (await readEvents({target: id}, signal, 1)).events, seconds: 30, view: (events) => eventList(events, {named: false, none: 'No event of this target is kept.'})}),
	};
	const step = (by) => {
		const list = profiles.data || [], at = list.findIndex((p) => String(p.id) === String(m.route.param('profile') || list[0]?.id));
		if (!list[at + by])
			return;
		if (m.route.param('tab') === 'flame')
			setQuery({profile: list[at + by].id, leak: null}, true);
		else
			showProfile(list[at + by]);
	};
	const tabBar = (tab, t) => {
		const counts = {leaks: leakState ? t.active_leaks : leaks.data?.length, profiles: profiles.data?.length, sessions: sessions.data?.length};
		return m('nav.tabs#tabs', {'aria-label': 'Of this target'}, Object.entries(TABS).filter(([name]) => name !== 'python' || t.python).map(([name, words]) =>
			m('a', {key: name, href: '#' + targetPath(id) + '/' + name + timeQuery(), 'aria-current': name === tab ? 'page' : false}, [words, counts[name] ? m('span.count', counts[name]) : null])));
	};
	const timeQuery = () => {
		const words = Object.entries(keepTime()).filter(([, v]) => v).map(([k, v]) => k + '=' + encodeURIComponent(v)).join('&');
		return words ? '?' + words : '';
	};
	const page = (t) => {
		const tab = TABS[m.route.param('tab')] ? m.route.param('tab') : 'leaks';
		const running = (sessions.data || []).filter((s) => s.state === 'running');
		return [head(t, running, again), m(Memory, {target: t, profiles: profiles.data || [], onprofile: showProfile, onmoment: atMoment}),
			m('section.tabbed', {'aria-label': TABS[tab]}, [tabBar(tab, t), m('h2.sr', TABS[tab]), m('div', views[tab](t))])];
	};
	return {
		oninit: (vnode) => {
			all.forEach((r) => r.start());
			vnode.state.keys = {
				t: () => target.data && !target.data.traced && target.data.state !== 'ended' && traceNow(target.data, again), '[': () => step(1), ']': () => step(-1), f: () => open('flame', {}),
				l: () => setQuery({from: null, to: null}, true), 1: () => setQuery({range: '15m', from: null, to: null}, true), 2: () => setQuery({range: null, from: null, to: null}, true), 3: () => setQuery({range: '1d', from: null, to: null}, true), 4: () => setQuery({range: '7d', from: null, to: null}, true),
			};
			vnode.attrs.onkeys(vnode.state.keys);
		},
		onremove: ({attrs, state}) => {
			attrs.onkeys(null, state.keys);
			forget();
			all.forEach((r) => r.stop());
		},
		view: () => [m('nav.trail[aria-label=Way]', link('/targets', {}, '← Targets')), show(target, page)],
	};
}
