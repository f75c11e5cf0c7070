// SPDX-License-Identifier: GPL-2.0-or-later
// The agent itself: its health and cost, what it stores, its configuration, the licences of what is in it.
import {address, get, send} from './api.js';
import {ask} from './dialog.js';
import {Resource} from './resource.js';
import {shared} from './shared.js';
import {badge, facts, figure, notices, plainLink, show, size, timeText} from './widgets.js';
import {ago, bytes, count, duration, percent, text} from './words.js';

const {m, HF} = window;
const NOTICES = [['holdfast: GPL-2.0-or-later', 'ui/license.txt'], ['dygraphs: MIT', 'ui/dygraphs.txt'], ['mithril: MIT', 'ui/mithril.txt'], ['Zydis: MIT', 'ui/zydis.txt']];

/* Numbers whose name says what they are. */
function worded(name, value) {
	if (value === null || value === undefined)
		return '–';
	if (typeof value === 'number')
		return /bytes$/.test(name) ? size(value) : /percent$/.test(name) ? percent(value) : /(?<!_per)_s$/.test(name) ? duration(value) : /_ms$/.test(name) ? duration(value / 1000) : value >= 10000 ? count(value) : String(+value.toFixed(3));
	return typeof value === 'object' ? m('code', text(JSON.stringify(value), 2000)) : text(value, 500);
}

const everything = (object) => facts(Object.entries(HF.map(object)).slice(0, 60).map(([name, value]) => [text(name, 60).replace(/(?<!_per)_(bytes|s|ms|percent)$/, '').replace(/_/g, ' '), worded(name, value)]));

/* What is spent of what may be. */
function meter(name, value, most, words) {
	const share = most > 0 ? Math.min(1, value / most) : 0;
	return m('.meter', [m('p', [m('span', name), m('b', words)]), m('.hbar', {role: 'meter', 'aria-label': name, 'aria-valuemin': 0, 'aria-valuemax': most, 'aria-valuenow': value, 'aria-valuetext': words}, m('div', {class: share >= 1 ? 'bad' : share > 0.8 ? 'warn' : '', style: {width: (100 * share).toFixed(1) + '%'}}))]);
}

const notes = (list) => HF.list(list).length ? m('ul.notes', list.map((n) => m('li', text(n, 500)))) : null;

function statusView(s) {
	const cost = HF.map(s.cost), targets = HF.map(s.targets);
	return [
		m('section[aria-label=Status]', [m('h2', 'Status'), m('dl.verdict-facts', [figure('Version', text(s.version, 40)), figure('Mode', text(s.mode, 20)), figure('Level', text(s.level, 20)), figure('Interval', duration(s.sampling_interval_s)), figure('Watched', count(targets.watched)), figure('Traced', count(targets.traced)), figure('Ended', count(targets.ended)), figure('Process', 'pid ' + s.pid), figure('Running since', timeText(s.started_at), ago(s.started_at))]), notes(s.notes)]),
		m('section[aria-label=Cost]', [m('h2', 'Cost'), m('.meters', [meter('Tracing, of the budget', cost.tracing_percent, s.budget_percent, percent(cost.tracing_percent) + ' of ' + percent(s.budget_percent)), meter('The agent itself, of a core', cost.cpu_percent, 1, percent(cost.cpu_percent) + ' (promised: 1 %)'), meter('Its memory, with its traces', cost.memory_bytes || cost.rss_bytes, 64 * 1048576, bytes(cost.memory_bytes || cost.rss_bytes) + ' (promised: 64 MiB)')]), facts([['Its traces themselves, of a core', percent(cost.jobs_percent)], ['One pass over all targets', duration(cost.pass_ms / 1000)]])]),
		m('section[aria-label=Store]', [m('h2', 'Store'), everything(s.store), Object.keys(HF.map(s.limits)).length ? [m('h3', 'Limits'), everything(s.limits)] : null]),
	];
}

function healthView(h) {
	const memory = HF.map(h.memory);
	return [m('p', [badge(text(h.status, 20)), ' memory ', badge(text(memory.status, 20)), ' ' + count(memory.targets_over_warning) + ' over warning, ' + count(memory.targets_over_critical) + ' over critical; ' + count(HF.map(h.leaks).active) + ' active leaks']),
		m('.scroll', {tabindex: 0, role: 'region', 'aria-label': 'Checks'}, m('table', [m('caption.sr', 'Checks'), m('thead', m('tr', ['Check', 'Status', 'What'].map((w) => m('th[scope=col]', w)))), m('tbody', HF.list(h.checks).map((c) => m('tr', [m('th[scope=row]', text(c.name, 80)), m('td', badge(text(c.status, 20))), m('td', text(c.text, 500))])))])),
		notes(HF.map(h.profiler).notes)];
}

/* The configuration as YAML would have it: easier to read, and to compare with the file. */
function yaml(value, indent) {
	const pad = '  '.repeat(indent);
	const scalar = (v) => v === null ? 'null' : typeof v === 'string' ? text(/^[\w./*%-][\w ./*%-]*$/.test(v) && !/^(true|false|null|yes|no|on|off|[\d.]+)$/i.test(v) && !/ $/.test(v) ? v : JSON.stringify(v), 2000) : String(v);
	const empty = (v) => Array.isArray(v) ? '[]' : '{}';
	const below = (v) => v !== null && typeof v === 'object';
	const has = (v) => Object.keys(v).length > 0;
	if (Array.isArray(value))
		return value.map((v) => below(v) && has(v) ? pad + '- ' + yaml(v, indent + 1).trimStart() : pad + '- ' + (below(v) ? empty(v) : scalar(v))).join('\n');
	return Object.entries(value).map(([k, v]) => pad + text(/^[\w-]+$/.test(k) ? k : JSON.stringify(k)) + ':' + (below(v) ? (has(v) ? '\n' + yaml(v, indent + 1) : ' ' + empty(v)) : ' ' + scalar(v))).join('\n');
}

async function reload(done) {
	if (!await ask({title: 'Reload the configuration?', words: ['The agent reads its file again, all or nothing: with an error in it, the old one stays in force.'], action: 'Reload'}))
		return;
	try {
		const answer = await send(address('-/reload'), {method: 'POST', body: {}, accept: [400]});
		if (HF.list(answer.errors).length)
			notices.add('', {code: '', what: 'The configuration has errors; the old one stays in force.', why: answer.errors.map((e) => text(e.place, 200) + ': ' + text(e.what) + (e.why ? ' (' + text(e.why) + ')' : '')).join('\n'), fix: 'Correct the file, then reload again.'});
		else
			notices.say('The configuration was read again and is in force.');
	} catch (e) {
		notices.problem(e);
	}
	done();
}

function Licences() {
	const texts = NOTICES.map(([name, path]) => ({name, resource: new Resource((signal) => send(address(path), {as: 'text', signal}), 0)}));
	return {
		view: () => m('section[aria-label=Licences]', [m('h2', 'Licences'), texts.map(({name, resource}) => m('details', {ontoggle: (e) => e.target.open && resource.data === null && resource.start()}, [m('summary', name), resource.loading || resource.at || resource.problem ? show(resource, (words) => m('pre.license', {tabindex: 0, 'aria-label': name}, words), 'Reading…') : null]))]),
		onremove: () => texts.forEach(({resource}) => resource.stop()),
	};
}

export function AgentPage() {
	const health = new Resource((signal) => send(address('healthz'), {signal, accept: [503]}), 10);
	const config = new Resource((signal) => get('config', {}, {signal}), 0);
	return {
		oninit: () => {
			health.start();
			config.start();
			shared.status.refresh();
		},
		onremove: () => {
			health.stop();
			config.stop();
		},
		view: () => [m('h1[tabindex=-1]', 'Agent'), m('section[aria-label=Health]', [m('h2', 'Health'), show(health, healthView)]), show(shared.status, statusView),
			m('section[aria-label=Configuration in force]', [m('h2', 'Configuration in force'), m('.toolbar', [m('button[type=button]', {onclick: () => reload(() => config.refresh())}, 'Reload…'), m('span.soft', 'Secrets are left out.')]), show(config, (c) => m('pre.config', {tabindex: 0, 'aria-label': 'Configuration'}, yaml(c, 0)))]),
			m('section[aria-label=For programs]', [m('h2', 'For programs'), m('p.links', [plainLink('metrics', 'Metrics (Prometheus)'), ' ', plainLink('api/v1/openapi.json', 'Interface (OpenAPI 3.1)'), ' ', plainLink('healthz', 'Health (JSON)')])]),
			m(Licences)],
	};
}
