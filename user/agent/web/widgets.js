// SPDX-License-Identifier: GPL-2.0-or-later
// Small things that many screens show. All text is text: nothing here takes markup.
import {address, api, download, hasToken} from './api.js';
import {bytes, count, duration, exactBytes, exactRate, rate, secondsToLimit, spread, text, when} from './words.js';

const {m, HF} = window;

/* Tone and mark of a target's state, and of an event's severity. */
const TONES = {
	critical: ['bad', '▲'], warning: ['warn', '▲'], growing: ['mild', '◆'], ok: ['good', '●'], ended: ['over', '■'], killed: ['bad', '■'], info: ['good', '●'], running: ['good', '●'],
};

export function toneOf(word) {
	return TONES[word] || [(HF.STATES[word] || ['mild'])[0], HF.MARKS[(HF.STATES[word] || ['mild'])[0]]];
}

export function badge(word, title) {
	const [tone, mark] = toneOf(word);
	return m('span.badge', {class: tone, title: title || (HF.STATES[word] || [])[1] || ''}, m('span', {'aria-hidden': 'true'}, mark + ' '), text(word, 40));
}

/* What the agent, or the way to it, says is wrong: what, why, fix. */
export function problemBox(problem, retry) {
	const known = typeof problem.what === 'string';
	return m('.problem', {role: 'alert'}, [
		m('p', [m('strong', known ? text(problem.what) : 'This page failed.'), problem.code ? m('code.code', text(problem.code, 40)) : null]),
		known ? problem.why && m('p', text(problem.why, 2000)) : m('p', text(problem.message)),
		known ? problem.fix && m('p', [m('b', 'Fix: '), text(problem.fix, 2000)]) : m('p', [m('b', 'Fix: '), 'reload the page; if it comes again, report it.']),
		retry && m('button[type=button]', {onclick: retry}, 'Try again'),
	]);
}

/* What is wrong with the last try; on top of the page stands already that the agent is gone, or wants a token. */
export function problemOf(resource) {
	const {problem} = resource, told = problem && (problem.code === 'unreachable' || problem.status === 401);
	return problem && !told ? problemBox(problem, () => resource.refresh()) : null;
}

/* view(data) once there is an answer; above it what is wrong with a later one. */
export function show(resource, view, waiting) {
	const box = problemOf(resource);
	if (resource.data === null)
		return box || (resource.problem ? m('p.empty', 'No answer.') : m('p.empty[aria-busy=true]', waiting || 'Asking the agent…'));
	return [box, view(resource.data)];
}

export const size = (n) => m('span', {title: exactBytes(n)}, bytes(n));
export const growth = (o) => m('span', {title: exactRate(o.growth_rate_mb_per_min, o.growth_interval)}, rate(o.growth_rate_mb_per_min));
export const growthWithSpread = (o) => m('span', {title: exactRate(o.growth_rate_mb_per_min, o.growth_interval)}, [rate(o.growth_rate_mb_per_min), ' ', m('span.soft', spread(o.growth_rate_mb_per_min, o.growth_interval))]);

export function limitText(target) {
	const left = secondsToLimit(target);
	if (left === null)
		return m('span', {title: target.limit_bytes ? 'Limit ' + exactBytes(target.limit_bytes) + '; not reached within 90 days at today’s rate' : 'No limit is known'}, target.limit_bytes ? bytes(target.limit_bytes) : '–');
	return m('span', {title: 'Limit ' + exactBytes(target.limit_bytes) + ', at today’s rate reached in ' + count(left) + ' s'}, left > 0 ? '~' + duration(left).split(' ').slice(0, 2).join(' ') : 'reached');
}

/* dl of pairs; those without a value are left out. */
export const facts = (pairs, attributes) => m('dl.pairs', attributes, pairs.filter((pair) => pair && pair[1] !== null && pair[1] !== undefined && pair[1] !== '').map(([name, value, title]) => [m('dt', name), m('dd', {title: title || ''}, value)]));

export const figure = (name, value, title) => m('.fact', {title: title || ''}, [m('dt', name), m('dd', value)]);

/* The reader's first frame in the stack of a leak, marked; frames as in a report. */
export function stackList(stack, own) {
	const frames = HF.list(stack).slice(0, 200).map(HF.map);
	return m('ol.stack[start=0]', frames.map((f, i) => {
		const name = text(f.function) || (HF.basename(text(f.module)) || 'unknown') + (f.address ? ' + ' + text(f.address, 32) : '');
		const place = text(f.file) ? text(f.file) + (f.line > 0 ? ':' + f.line : '') : HF.basename(text(f.module));
		return m('li', {class: i === own ? 'own' : ''}, [m('span.fn', name), ' ', m('span.src', place), f.kind && f.kind !== 'native' ? m('span.kind', text(f.kind, 20)) : null, i === own ? m('span.sr', ' (first frame in your code)') : null]);
	}));
}

/* Of frames as a leak has them: the index that a report would give. */
export function ownFrame(leak) {
	const table = new HF.FrameTable({label: (f) => f.name, identity: (f) => f.name + '\n' + f.module});
	const stack = HF.list(leak.stack).map((f) => table.add(f));
	return HF.ownFrame(leak.own_frame, stack, table.frames);
}

/* A link that downloads, also where a token is needed. */
export const downloadLink = (path, query, name, label) => fileLink(api(path, query), name, label);

export function fileLink(at, name, label) {
	return m('a', {href: at, download: name, onclick: (e) => {
		if (!hasToken())
			return;
		e.preventDefault();
		download(at, name).catch(notices.problem);
	}}, label);
}

/* For a page of its own, such as a report as HTML. */
export const pageLink = (path, query, label) => m('a', {href: api(path, query), target: '_blank', rel: 'noopener'}, [label, m('span.sr', ' (opens a new tab)')]);

export const plainLink = (path, label) => m('a', {href: address(path), target: '_blank', rel: 'noopener'}, label);

/* A link within this page; `path` from the root of the routes. */
export function link(path, query, ...children) {
	const words = Object.entries(query || {}).filter(([, v]) => v !== null && v !== undefined && v !== '').map(([k, v]) => encodeURIComponent(k) + '=' + encodeURIComponent(v)).join('&');
	return m('a', {href: '#' + path + (words ? '?' + words : '')}, children);
}

export const targetPath = (id) => '/targets/' + encodeURIComponent(id);

export const timeText = (time) => m('time', {datetime: text(time, 40), title: text(time, 40)}, when(time));

/* What was done, or went wrong with it: said once, shown until put away or for a while. */
let next = 1;
export const notices = {
	items: [],
	add(words, problem) {
		const item = {id: next++, words, problem};
		this.items = [...this.items.slice(-3), item];
		if (!problem)
			setTimeout(() => this.close(item), 15000);
		m.redraw();
	},
	say: (words) => notices.add(words, null),
	problem: (problem) => notices.add('', problem),
	close(item) {
		this.items = this.items.filter((other) => other !== item);
		m.redraw();
	},
	view: () => m('.notices', {role: 'status', 'aria-live': 'polite', 'aria-label': 'Notices'}, notices.items.map((item) =>
		m('.notice', {key: item.id}, [item.problem ? problemBox(item.problem) : m('p', item.words), m('button[type=button][aria-label=Close]', {onclick: () => notices.close(item)}, '×')]))),
};

/* Query of the route, changed: null takes one away. Kept in the history only if `push`. */
export function setQuery(changes, push) {
	const [path, words] = m.route.get().split('?');
	const query = {...m.parseQueryString(words || ''), ...changes};
	for (const [name, value] of Object.entries(query))
		if (value === null || value === '')
			delete query[name];
	m.route.set(path, query, {replace: !push});
}

export const choice = (label, value, options, onchange) => m('label.choice', [m('span', label), m('select', {value, onchange: (e) => onchange(e.target.value)}, options.map(([v, words]) => m('option', {value: v, selected: String(v) === String(value)}, words)))]);

export const segments = (label, value, options, onchange) => m('.segments', {role: 'group', 'aria-label': label}, options.map(([v, words, title]) =>
	m('button[type=button]', {'aria-pressed': String(v === value), title: title || '', onclick: () => onchange(v)}, words)));
