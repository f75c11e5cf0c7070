// SPDX-License-Identifier: GPL-2.0-or-later
// The agent's HTTP interface: one way in, one kind of error out, and whether the agent is there at all.
const {m} = window;
const BASE = new URL('../', import.meta.url);
const TIMEOUT_MS = 30000;
const TOKEN_KEY = 'holdfast-token';

/* What went wrong, as it is told to the reader. */
class Problem extends Error {
	constructor({code, what, why, fix}, status) {
		super(what);
		Object.assign(this, {code: code || '', what: what || 'The request failed.', why: why || '', fix: fix || '', status: status || 0});
	}
}

const UNREACHABLE = {code: 'unreachable', what: 'The agent does not answer.', why: 'The connection was refused or broke off.', fix: 'See whether “holdfast agent” runs on this address; this page tries again by itself.'};
const TOO_SLOW = {...UNREACHABLE, why: 'There was no answer within ' + TIMEOUT_MS / 1000 + ' s.'};

let token = '';
try {
	token = sessionStorage.getItem(TOKEN_KEY) || '';
} catch {} // storage may be forbidden

export const hasToken = () => token !== '';

export function setToken(words) {
	token = words;
	try {
		sessionStorage.setItem(TOKEN_KEY, words);
	} catch {}
}

/* {down: false | {since, problem}}; listeners are told of each change. */
export const connection = {
	down: false,
	refused: null,
	listeners: new Set(),
	listen(listener) {
		this.listeners.add(listener);
		return () => this.listeners.delete(listener);
	},
	lost(problem) {
		if (this.down) {
			this.down.problem = problem;
			return;
		}
		this.down = {since: Date.now(), problem, next: 0};
		this.changed();
		this.tryLater(1000);
	},
	back() {
		this.refused = null;
		if (!this.down)
			return;
		clearTimeout(this.timer);
		this.down = false;
		this.changed();
	},
	changed() {
		this.listeners.forEach((listener) => listener(!this.down));
		m.redraw();
	},
	tryLater(ms) {
		this.down.next = Date.now() + ms;
		clearTimeout(this.timer);
		this.timer = setTimeout(() => this.tryNow(Math.min(15000, ms * 2)), ms);
		m.redraw();
	},
	async tryNow(next) {
		try {
			await fetch(address('-/healthy'), {cache: 'no-store', signal: AbortSignal.timeout(5000)});
			this.back();
		} catch {
			if (this.down)
				this.tryLater(next || 2000);
		}
	},
};

/* The address of a path of the agent; what is null or '' is left out of the query. */
export function address(path, query) {
	const at = new URL(path, BASE);
	for (const [name, value] of Object.entries(query || {}))
		if (value !== null && value !== undefined && value !== '')
			at.searchParams.set(name, value);
	return at.href;
}

export const api = (path, query) => address('api/v1/' + path, query);

export function headers(more) {
	return {...more, ...(token ? {Authorization: 'Bearer ' + token} : {})};
}

async function problemOf(response) {
	let error = {};
	try {
		error = (await response.json()).error || {};
	} catch {} // not ours, such as a proxy's page
	return new Problem({code: error.code, what: error.what || 'The agent answered with status ' + response.status + '.', why: error.why, fix: error.fix}, response.status);
}

/* The answer of a request; throws a Problem, or an AbortError where `signal` ended it. `accept`: statuses that are answers, too. */
export async function send(at, {method, body, signal, accept, as} = {}) {
	const slow = AbortSignal.timeout(TIMEOUT_MS);
	let response, answer;
	try {
		response = await fetch(at, {method: method || 'GET', body: body === undefined ? undefined : JSON.stringify(body), cache: 'no-store', credentials: 'same-origin',
			headers: headers(body === undefined ? {} : {'Content-Type': 'application/json'}), signal: signal ? AbortSignal.any([signal, slow]) : slow});
		if (response.ok || (accept || []).includes(response.status))
			answer = await response[as || 'json']();
	} catch (e) {
		if (signal && signal.aborted)
			throw e;
		const problem = e instanceof SyntaxError ? new Problem({what: 'The answer of the agent is damaged.', why: e.message, fix: 'See whether a proxy stands between, and the agent’s version.'}, 200) : new Problem(slow.aborted ? TOO_SLOW : UNREACHABLE);
		if (problem.code === 'unreachable')
			connection.lost(problem);
		throw problem;
	}
	connection.back();
	if (answer !== undefined)
		return answer;
	const problem = await problemOf(response);
	if (response.status === 401)
		connection.refused = problem;
	throw problem;
}

export const get = (path, query, options) => send(api(path, query), options);
export const post = (path, body, options) => send(api(path), {method: 'POST', body: body || {}, ...options});
export const remove = (path, query) => send(api(path, query), {method: 'DELETE'});

/* All pages of a list, at most `most` of them. */
export async function getAll(path, query, field, {signal, most} = {}) {
	const items = [];
	let cursor = query.cursor || null;
	for (let page = 0; page < (most || 20); page++) {
		const answer = await get(path, {limit: 1000, ...query, cursor}, {signal});
		items.push(...(Array.isArray(answer[field]) ? answer[field] : []));
		cursor = answer.next_cursor;
		if (!cursor)
			break;
	}
	return {items, cursor};
}

/* For a link that downloads: with a token the browser cannot follow it by itself. */
export async function download(at, name) {
	const blob = await send(at, {as: 'blob'});
	const link = document.createElement('a');
	link.href = URL.createObjectURL(blob);
	link.download = name;
	link.click();
	setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
