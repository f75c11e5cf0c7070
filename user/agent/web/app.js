// SPDX-License-Identifier: GPL-2.0-or-later
// The frame around every screen: navigation, what the agent is and costs, keys; and which address shows what.
import {AgentPage} from './agent_page.js';
import {connection, setToken} from './api.js';
import {ask, tell} from './dialog.js';
import {Alerts} from './events.js';
import {refreshAll} from './resource.js';
import {Session, Sessions} from './sessions.js';
import {shared} from './shared.js';
import {Target} from './target.js';
import {Targets} from './targets.js';
import {link, notices, problemBox} from './widgets.js';
import {ago, bytes, count, duration, isUtc, percent, setUtc, text, when, zone} from './words.js';

const {m, HF} = window;
const NAV = [['targets', '/targets', 'Targets'], ['sessions', '/sessions', 'Sessions'], ['alerts', '/alerts', 'Alerts'], ['agent', '/agent', 'Agent']];
const KEYS = [
	['?', 'this list'], ['/', 'filter targets, or search the flamegraph'], ['g then t s a h', 'targets, sessions, alerts, the agent’s health'], ['j k', 'next and previous row of a table; Enter opens it'], ['u', 'UTC or your time zone'], ['d', 'dark or light'],
	['1 2 3 4', 'of a target: 15 min, 1 h, 1 day, 7 days'], ['l', 'of a target: follow live'], ['t', 'of a target: trace now'], ['f', 'of a target: flamegraph'], ['[ ]', 'of a target: older and newer profile'], ['n N', 'in the flamegraph: next and previous hit'],
	['← → Home End', 'in the chart: move the cursor (with Shift ten at once)'], ['+ − PgUp PgDn', 'in the chart: zoom and pan'], ['Esc', 'close a dialog; in the chart the last hour; in the flamegraph all of it'],
];

let screenKeys = null, pendingGo = 0;

function statusBadge() {
	const s = shared.status.data;
	if (!s)
		return null;
	const cost = HF.map(s.cost), targets = HF.map(s.targets), over = cost.tracing_percent > s.budget_percent;
	return m('a.agent-badge', {href: '#/agent', class: connection.down ? 'warn' : over ? 'warn' : '', title: 'Tracing costs ' + percent(cost.tracing_percent, 4) + ' of the targets’ time, the budget is ' + percent(s.budget_percent, 4) + '; the agent itself takes ' + percent(cost.cpu_percent, 4) + ' of a core and ' + bytes(cost.rss_bytes)},
		[m('b', text(s.mode, 20)), m('span', 'tracing ' + count(targets.traced) + ' of ' + count(targets.watched)), m('span', percent(cost.tracing_percent) + ' of ' + percent(s.budget_percent) + (over ? ' ▲' : ''))]);
}

function banner() {
	if (connection.refused)
		return m('.banner', {role: 'alert'}, [problemBox(connection.refused), m('.buttons', m('button[type=button].primary', {onclick: enterToken}, 'Enter the token…'))]);
	if (!connection.down)
		return null;
	const {since, problem, next} = connection.down, left = Math.max(0, Math.ceil((next - Date.now()) / 1000));
	return m('.banner', {role: 'alert'}, [m('p', [m('strong', problem.what), ' ', problem.why, ' What you see is as of ', when(since / 1000), ', ', zone(), '.']), m('p', [problem.fix, ' ', m('button[type=button]', {onclick: () => connection.tryNow()}, 'Try now'), m('span.soft', {'aria-hidden': 'true'}, left ? ' next try in ' + left + ' s' : ' trying…')])]);
}

async function enterToken() {
	const values = await ask({title: 'Token', words: ['This agent wants the bearer token whose hash stands in its “token_file”. It is kept until this tab is closed.'], action: 'Use it', fields: [{name: 'token', label: 'Token', type: 'password', required: true}]});
	if (!values)
		return;
	setToken(values.token);
	connection.refused = null;
	refreshAll();
	m.redraw();
}

function showKeys() {
	tell('Keys', HF.el('dl', {class: 'pairs keys-list'}, KEYS.map(([keys, what]) => [HF.el('dt', {}, keys.split(' ').map((word) => word === 'then' ? 'then ' : [HF.el('kbd', {}, word), ' '])), HF.el('dd', {}, what)])));
}

function otherZone() {
	setUtc(!isUtc());
	HF.announce('Times in ' + zone());
	refreshAll();
	m.redraw();
}

const firing = () => shared.alerts.data ? HF.list(shared.alerts.data.alerts).length : 0;

const Frame = {
	oncreate: (vnode) => { vnode.state.path = m.route.get().split('?')[0]; },
	/* Another screen: its heading gets the focus, so that a screen reader begins there. */
	onupdate: (vnode) => {
		const path = m.route.get().split('?')[0], heading = document.querySelector('#content h1');
		document.title = (firing() ? '(' + firing() + ') ' : '') + (heading ? HF.clip(heading.textContent.trim(), 80) + ' · ' : '') + 'holdfast';
		if (vnode.state.path.split('/').slice(0, 3).join('/') === path.split('/').slice(0, 3).join('/') || !heading)
			return;
		vnode.state.path = path;
		heading.focus({preventScroll: true});
		window.scrollTo(0, 0);
	},
	view: ({attrs, children}) => [
		m('header.top', m('.bar', [m('a.brand', {href: '#/targets'}, [m('span.logo', {'aria-hidden': 'true'}, 'H'), 'holdfast']),
			m('nav.sections[aria-label=Main]', NAV.map(([name, path, words]) => m('a', {key: name, href: '#' + path, 'aria-current': attrs.name === name ? 'page' : false}, [words, name === 'alerts' && firing() ? m('span.count.hot', {title: firing() + ' firing'}, firing()) : null]))),
			statusBadge(), m('.segments', [m('button[type=button]', {onclick: otherZone, title: 'Times in ' + zone() + '; press for ' + (isUtc() ? 'your zone' : 'UTC') + ' (u)'}, isUtc() ? 'UTC' : 'Local time'), m('button[type=button]', {onclick: () => HF.theme.toggle(), title: 'Dark or light (d)'}, HF.theme.isDark() ? 'Light' : 'Dark'), m('button[type=button]', {onclick: showKeys, title: 'Keys (?)', 'aria-label': 'List of keys'}, '?')])])),
		m('main#content[tabindex=-1]', [banner(), notices.view(), children]),
		m('footer', [m('span', 'Times: ' + zone()), shared.status.data ? m('span', ['holdfast ' + text(shared.status.data.version, 40), ', running for ', ago(shared.status.data.started_at).replace(' ago', ''), ', a reading every ', duration(shared.status.data.sampling_interval_s)]) : null, m('span', link('/agent', {}, 'Health, configuration, licences')), m('span', ['Keys: ', m('kbd', '?')])]),
	],
};

/* j and k: along the links of the rows of the table that holds the focus, or of the first one. */
function moveRow(by) {
	const table = document.activeElement.closest?.('table') || document.querySelector('#content table');
	const links = table ? [...table.querySelectorAll('tbody > tr > th a, tbody > tr > td:first-child a')] : [];
	const row = document.activeElement.closest?.('tr'), at = links.findIndex((a) => row && row.contains(a));
	links[Math.max(0, Math.min(links.length - 1, at + by))]?.focus();
}

function search() {
	const field = document.querySelector('#flame-search') || document.querySelector('#content input[type=search]');
	field?.focus();
	field?.select();
}

const PLAIN_KEYS = {
	'?': showKeys, '/': search, u: otherZone, d: () => HF.theme.toggle(), n: () => HF.page?.panel.step(1), N: () => HF.page?.panel.step(-1), j: () => moveRow(1), k: () => moveRow(-1), g: () => {
		pendingGo = Date.now();
	},
};
const GO = {t: '/targets', s: '/sessions', a: '/alerts', h: '/agent'};

function key(event) {
	if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || document.querySelector('dialog[open]'))
		return;
	const go = Date.now() - pendingGo < 1500 && GO[event.key];
	pendingGo = 0;
	if (go) {
		m.route.set(go);
		event.preventDefault();
		return;
	}
	const action = PLAIN_KEYS[event.key] || (screenKeys && screenKeys[event.key]);
	if (!action)
		return;
	event.preventDefault();
	action();
	m.redraw();
}

/* A new screen begins before the old one ends. */
function takeKeys(keys, old) {
	if (keys || screenKeys === old)
		screenKeys = keys;
}

const screen = (name, Component, keyed) => ({render: ({attrs}) => m(Frame, {name}, m(Component, {key: name + (keyed ? attrs.id : ''), onkeys: takeKeys}))});

document.getElementById('skip').addEventListener('click', (e) => {
	e.preventDefault(); // the fragment is the route
	document.getElementById('content').focus();
});
document.addEventListener('keydown', key);
HF.theme.follow(() => m.redraw());
setInterval(() => connection.down && m.redraw(), 1000); // the countdown
const target = screen('targets', Target, true);
m.route.prefix('#');
m.route(document.getElementById('app'), '/targets', {
	'/targets': screen('targets', Targets), '/targets/:id': target, '/targets/:id/:tab': target, '/sessions': screen('sessions', Sessions), '/sessions/:id': screen('sessions', Session, true), '/alerts': screen('alerts', Alerts), '/agent': screen('agent', AgentPage),
});
shared.start();
document.documentElement.dataset.ready = 'true';
