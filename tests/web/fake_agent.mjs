// SPDX-License-Identifier: GPL-2.0-or-later
// An agent that only pretends: the HTTP interface with invented data, 220 targets over 7 days; same seed, same answers at the same moment.
// What an agent must refuse it refuses, and it can be told to fail. Also: node fake_agent.mjs [PORT]
import {readFileSync} from 'node:fs';
import {createServer} from 'node:http';
import {fileURLToPath} from 'node:url';
import {assets} from './agent_assets.mjs';
import {assemble} from './assemble.mjs';
import {Fleet} from './fake_fleet.mjs';
import {diffPage} from './generate.mjs';

const POLICY = /#define WEB_ASSET_POLICY[\s\S]*?(?=\n\n)/.exec(readFileSync(new URL('../../user/agent/web_assets.h', import.meta.url), 'utf8'))[0].match(/"([^"]*)"/g).map((s) => s.slice(1, -1)).join('');
const HEARTBEAT_MS = 15000;

class Refusal extends Error {
	constructor(status, code, what, why, fix, headers) {
		super(what);
		Object.assign(this, {status, headers, body: {error: {code, what, why, fix}}});
	}
}

const bad = (what, why, fix) => new Refusal(400, 'HF-E-BADREQ', what, why, fix);
const absent = (what, why) => new Refusal(404, 'HF-E-NOTFOUND', what, why, 'Look at the list for what there is.');

/* "limit" and "cursor" of a list. */
function page(name, items, query) {
	const limit = query.has('limit') ? Number(query.get('limit')) : 100, start = query.has('cursor') ? Number(Buffer.from(query.get('cursor'), 'base64url').toString()) : 0;
	if (!Number.isInteger(limit) || limit < 1 || limit > 1000)
		throw bad('limit is not a number from 1 to 1000.', 'It is “' + query.get('limit') + '”.', 'Give a number from 1 to 1000.');
	if (!Number.isInteger(start) || start < 0)
		throw bad('This cursor is not one of ours.', 'Cursors come from next_cursor of the page before.', 'Begin without a cursor.');
	const next = start + limit < items.length ? Buffer.from(String(start + limit)).toString('base64url') : null;
	return {[name]: items.slice(start, start + limit), next_cursor: next};
}

function oneOf(query, name, words, otherwise) {
	const value = query.get(name) || otherwise;
	if (!words.includes(value))
		throw bad(name + ' is not known.', 'It is “' + value + '”.', 'Give one of: ' + words.join(', ') + '.');
	return value;
}

function diffJson() {
	const {frames, left_out: left, ...diff} = diffPage();
	return {...diff, schema: 'holdfast.diff/1', entries: diff.entries.map((e) => ({...e, a: e.a || {outstanding_bytes: 0, outstanding_count: 0, allocs: 0}, b: e.b || {outstanding_bytes: 0, outstanding_count: 0, allocs: 0}, stack: e.stack.map((i) => frames[i])}))};
}

const FILES = {folded: 'text/plain', pprof: 'application/octet-stream', speedscope: 'application/json', text: 'text/plain'};

export class FakeAgent {
	constructor(options) {
		this.options = {mode: 'standard', token: '', ...options};
		this.fleet = new Fleet(this.options);
		this.requests = [];
		this.faults = [];
		this.streams = new Set();
		this.routes = this.table();
	}

	/* The interface, a line each. */
	table() {
		const f = this.fleet, t = (p) => this.target(p.target);
		return [
			['GET', '/-/healthy', () => 'holdfast is healthy.\n'], ['GET', '/-/ready', () => 'ready\n'], ['GET', '/healthz', () => f.health()], ['POST', '/-/reload', () => this.reload()], ['GET', '/metrics', () => '# HELP memory_profiler_rss_bytes Resident memory.\n'],
			['GET', '/api/v1/openapi.json', () => ({openapi: '3.1.0', info: {title: 'holdfast', version: '0.1'}, paths: {}})], ['GET', '/api/v1/status', () => f.status(this.options)], ['GET', '/api/v1/config', () => f.config()],
			['GET', '/api/v1/targets', (p, q) => page('targets', f.list(oneOf(q, 'state', ['running', 'ended', 'all'], 'running'), oneOf(q, 'sort', ['growth', 'rss', 'name'], 'growth')), q)],
			['GET', '/api/v1/targets/{target}', (p) => f.detail(t(p))], ['GET', '/api/v1/targets/{target}/usage', (p) => f.usage(t(p))], ['GET', '/api/v1/targets/{target}/trends', (p, q) => this.trends(t(p), q)],
			['GET', '/api/v1/targets/{target}/components', (p) => f.components(t(p))], ['GET', '/api/v1/targets/{target}/components/{name}', (p) => f.components(t(p)).components.find((c) => c.name === p.name) || this.missing('component', p.name)],
			['GET', '/api/v1/targets/{target}/spans', (p, q) => page('spans', f.spans(t(p)), q)], ['GET', '/api/v1/targets/{target}/profiles', (p, q) => page('profiles', f.profiles(t(p)), q)],
			['GET', '/api/v1/targets/{target}/profiles/{profile}', (p, q) => this.profile(t(p), p.profile, q)], ['GET', '/api/v1/targets/{target}/diff', (p, q) => this.diff(t(p), q)],
			['POST', '/api/v1/targets/{target}/trace', (p, q, body) => this.trace(t(p), body)], ['POST', '/api/v1/targets/{target}/gc', (p, q, body) => this.collect(t(p), body)],
			['GET', '/api/v1/leaks', (p, q) => page('leaks', f.leaks(q.get('target') ? this.target(q.get('target')) : null, oneOf(q, 'state', ['active', 'cleared', 'all', 'at_end'], 'active')), q)], ['DELETE', '/api/v1/leaks', (p, q) => f.clearLeaks((l) => !q.get('target') || String(l.target) === q.get('target'))],
			['DELETE', '/api/v1/leaks/{leak}', (p) => f.allLeaks.some((l) => l.leak_id === p.leak) ? f.clearLeaks((l) => l.leak_id === p.leak) : this.missing('leak', p.leak)],
			['POST', '/api/v1/sessions', (p, q, body) => this.startSession(body)], ['GET', '/api/v1/sessions', (p, q) => page('sessions', f.sessionList(q.get('target') ? this.target(q.get('target')) : null, oneOf(q, 'state', ['running', 'ended', 'all'], 'all')), q)],
			['GET', '/api/v1/sessions/{session}', (p) => this.session(p.session)], ['POST', '/api/v1/sessions/{session}/stop', (p) => this.stopSession(this.session(p.session))], ['DELETE', '/api/v1/sessions/{session}', (p) => f.dropSession(this.session(p.session))],
			['GET', '/api/v1/sessions/{session}/report', (p) => f.report(f.targets[this.session(p.session).target - 1], 1)], ['GET', '/api/v1/sessions/{session}/snapshots', (p) => f.snapshots(this.session(p.session))],
			['GET', '/api/v1/sessions/{session}/chart.svg', (p) => this.session(p.session) && {type: 'image/svg+xml', text: '<svg xmlns="http://www.w3.org/2000/svg"/>'}],
			['GET', '/api/v1/events', (p, q) => this.events(q)], ['GET', '/api/v1/events/stream', (p, q, body, request, response) => this.stream(q, request, response)], ['GET', '/api/v1/alerts', () => ({alerts: f.alerts()})],
		].map(([method, path, answer]) => ({method, path: new RegExp('^' + path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)').replace(/\./g, '\\.') + '$'), answer}));
	}

	missing(kind, name) {
		throw absent('There is no ' + kind + ' “' + name + '”.', 'It never was, or its retention has passed.');
	}

	target(name) {
		const t = /^pid-\d+$/.test(name) ? this.fleet.targets.find((x) => x.pid === Number(name.slice(4)) && !x.ended) : this.fleet.targets.find((x) => String(x.id) === name);
		return t || this.missing('target', name);
	}

	session(id) {
		return this.fleet.sessions.find((s) => s.session_id === id) || this.missing('session', id);
	}

	trends(t, q) {
		const now = this.fleet.now(), minutes = Number(q.get('window_minutes') || 60), to = Number(q.get('to') || now), from = Number(q.get('from') || to - minutes * 60), points = Number(q.get('points') || 500);
		if (![from, to, points].every(Number.isFinite) || from >= to || points < 2 || points > 10000)
			throw bad('The time asked for is no time.', 'from is ' + q.get('from') + ', to is ' + q.get('to') + '.', 'Give unix seconds, from before to; points from 2 to 10000.');
		return this.fleet.trends(t, from, to, points);
	}

	profile(t, id, q) {
		const format = oneOf(q, 'format', ['json', 'html', ...Object.keys(FILES)], 'json'), profiles = this.fleet.profiles(t), p = id === 'latest' ? profiles[0] : profiles.find((x) => String(x.id) === id);
		if (!p)
			this.missing('profile', id);
		const report = this.fleet.report(t, p.id % 40);
		return format === 'json' ? report : format === 'html' ? {type: 'text/html', text: assemble(JSON.stringify(report)), policy: null} : {type: FILES[format], text: format + ' of profile ' + p.id + '\n'};
	}

	diff(t, q) {
		for (const name of ['from', 'to'])
			if (!this.fleet.profiles(t).some((p) => String(p.id) === q.get(name)))
				this.missing('profile', q.get(name));
		const format = oneOf(q, 'format', ['json', 'html', 'folded', 'text'], 'json');
		return format === 'json' ? diffJson() : format === 'html' ? {type: 'text/html', text: assemble(JSON.stringify(diffPage()), 'diff'), policy: null} : {type: 'text/plain', text: format + ' of a diff\n'};
	}

	alive(t) {
		if (t.ended)
			throw new Refusal(409, 'HF-E-NOPID', 'pid ' + t.pid + ' has ended.', 'The target is kept for its history alone.', 'Choose a running target.');
	}

	trace(t, body) {
		this.alive(t);
		if (!(body.for_s > 0 && body.for_s <= 86400))
			throw bad('for_s is no time to trace for.', 'It is ' + JSON.stringify(body.for_s) + '.', 'Give seconds, from 1 to 86400.');
		t.traced = true;
		this.emit({event: 'MemoryOperationStarted', severity: 'info', target: t.id, text: 'tracing for ' + body.for_s + ' s, on request', details: {operation: 'trace', for_s: body.for_s}});
		return {status: 202, body: {target: t.id, state: 'tracing'}};
	}

	collect(t, body) {
		this.alive(t);
		if (!t.python)
			throw new Refusal(409, 'HF-E-NOPYTHON', 'pid ' + t.pid + ' runs no Python.', 'No libpython and no interpreter is mapped in it.', 'Choose a target that runs CPython.');
		const rss = this.fleet.rss(t, this.fleet.now());
		return {collected_objects: 4211, objects_freed: 3980, duration_ms: 38.2, trimmed_bytes: body.trim ? 5242880 : 0, before: {objects: 412007, rss_bytes: rss}, after: {objects: 408027, rss_bytes: rss - 7340032}};
	}

	reload() {
		return this.options.badConfig ? {status: 400, body: {errors: [{place: 'agent.yaml:12:5', what: 'unknown key “treshold”', why: 'did you mean “memory_warning_threshold_mb”?'}]}} : {reloaded: true};
	}

	startSession(body) {
		const t = this.target(String(body.target));
		this.alive(t);
		if (typeof body.session_name !== 'string' || !body.session_name)
			throw bad('A session needs a name.', 'session_name is missing or empty.', 'Give session_name.');
		const session = this.fleet.addSession(t, body);
		this.emit({event: 'MemoryOperationStarted', severity: 'info', target: t.id, text: 'session “' + body.session_name + '” started', details: {operation: 'session', session_id: session.session_id}});
		return {status: 201, body: session};
	}

	stopSession(session) {
		if (session.state !== 'running')
			throw new Refusal(409, 'HF-E-ENDED', 'This session has ended already.', 'It ended ' + session.end_time + '.', 'Read its report.');
		this.fleet.endSession(session);
		this.emit({event: 'MemoryOperationCompleted', severity: 'info', target: session.target, text: 'session “' + session.session_name + '” ended', details: {operation: 'session', session_id: session.session_id}});
		return session;
	}

	/* Without since the newest come first, and pages go back in time; with it what came after, oldest first. */
	events(q) {
		const target = q.get('target'), since = q.get('since'), found = this.fleet.events.filter((e) => (!q.get('kind') || e.event === q.get('kind')) && (!target || e.target === this.target(target).id) && (!since || e.id > Number(since)));
		return page('events', since ? found : found.slice().reverse(), q);
	}

	stream(q, request, response) {
		const since = Number(request.headers['last-event-id'] || q.get('since') || this.fleet.events.at(-1).id);
		response.writeHead(200, {'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store'});
		response.write(': holdfast\n\n');
		for (const e of this.fleet.events.filter((x) => x.id > since))
			response.write(this.eventText(e));
		const timer = setInterval(() => response.write(': still here\n\n'), HEARTBEAT_MS);
		this.streams.add(response);
		response.on('close', () => {
			clearInterval(timer);
			this.streams.delete(response);
		});
		return null;
	}

	eventText(e) {
		return 'id: ' + e.id + '\nevent: ' + e.event + '\ndata: ' + JSON.stringify(e) + '\n\n';
	}

	/* One more event, kept and sent. */
	emit(event) {
		const kept = this.fleet.addEvent(event);
		this.streams.forEach((response) => response.write(this.eventText(kept)));
		return kept;
	}

	/* {path: RegExp, status, error, hang, drop, times}: what of the next requests fails, and how. */
	fail(fault) {
		this.faults.push({times: Infinity, ...fault});
	}

	check(request, path) {
		const {host, origin} = request.headers, loopback = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/;
		if (!loopback.test(host))
			throw new Refusal(403, 'HF-E-HOST', 'This host name is not ours.', 'It is “' + host + '”.', 'Use 127.0.0.1.');
		if (origin && origin !== 'http://' + host)
			throw new Refusal(403, 'HF-E-ORIGIN', 'Another site may not ask this.', 'The request comes from ' + origin + '.', 'Open the agent’s own page.');
		if (this.options.token && /^\/(api|metrics|debug|healthz|-\/reload)/.test(path) && request.headers.authorization !== 'Bearer ' + this.options.token)
			throw new Refusal(401, 'HF-E-TOKEN', 'The agent wants a token.', request.headers.authorization ? 'The token given is not the right one.' : 'There was none in the request.', 'Give the token whose hash stands in token_file.', {'WWW-Authenticate': 'Bearer'});
	}

	async body(request) {
		let text = '';
		for await (const part of request) {
			text += part;
			if (text.length > 65536)
				throw new Refusal(413, 'HF-E-TOOBIG', 'The request is too large.', 'It has more than 64 KiB.', 'Send less.');
		}
		if (request.method !== 'POST')
			return {};
		if (request.headers['content-type'] !== 'application/json')
			throw new Refusal(415, 'HF-E-TYPE', 'A body must be JSON.', 'Its type is “' + request.headers['content-type'] + '”.', 'Send Content-Type: application/json.');
		try {
			return JSON.parse(text);
		} catch (e) {
			throw bad('The body is no JSON.', e.message, 'Send an object.');
		}
	}

	async answer(request, response) {
		const at = new URL(request.url, 'http://agent'), path = decodeURIComponent(at.pathname);
		this.requests.push({method: request.method, path, query: Object.fromEntries(at.searchParams), headers: request.headers});
		const fault = this.faults.find((f) => f.path.test(path) && f.times > 0);
		if (fault) {
			fault.times--;
			if (fault.drop)
				return request.socket.destroy();
			if (fault.hang)
				return undefined;
			throw Object.assign(new Refusal(fault.status, '', ''), {body: fault.body === undefined ? {error: fault.error} : fault.body});
		}
		this.check(request, path);
		const file = request.method === 'GET' && assets().get(path);
		if (file)
			return this.put(response, {type: file.type, text: file.bytes});
		const body = await this.body(request), here = this.routes.filter((r) => r.path.test(path)), route = here.find((r) => r.method === request.method);
		if (!here.length)
			throw absent('There is nothing at ' + path + '.', 'It is no path of the interface.');
		if (!route)
			throw new Refusal(405, 'HF-E-METHOD', request.method + ' is not for ' + path + '.', 'It takes ' + here.map((r) => r.method).join(', ') + '.', 'Use that.', {Allow: here.map((r) => r.method).join(', ')});
		const answer = route.answer(route.path.exec(path).groups || {}, at.searchParams, body, request, response);
		return answer === null ? undefined : this.put(response, typeof answer === 'string' ? {type: 'text/plain', text: answer} : answer.type ? answer : {type: 'application/json', text: JSON.stringify(answer.body && answer.status ? answer.body : answer), status: answer.body && answer.status});
	}

	put(response, {type, text, status, policy, headers}) {
		response.writeHead(typeof status === 'number' ? status : 200, {'Content-Type': type, 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer', 'Cache-Control': 'no-store', ...(policy === null ? {} : {'Content-Security-Policy': POLICY}), ...headers});
		response.end(text);
	}

	async listen(port) {
		this.server = createServer(async (request, response) => {
			try {
				await this.answer(request, response);
			} catch (e) {
				if (!(e instanceof Refusal))
					console.error(e);
				const refusal = e instanceof Refusal ? e : new Refusal(500, 'HF-E-INTERNAL', 'The agent failed.', e.message, 'Report it.');
				this.put(response, {type: typeof refusal.body === 'string' ? 'text/html' : 'application/json', text: typeof refusal.body === 'string' ? refusal.body : JSON.stringify(refusal.body), status: refusal.status, headers: refusal.headers});
			}
		});
		await new Promise((done) => this.server.listen(port || this.port || 0, '127.0.0.1', done));
		this.port = this.server.address().port;
		return this.url = 'http://127.0.0.1:' + this.port + '/';
	}

	async close() {
		this.streams.forEach((response) => response.destroy());
		this.server.closeAllConnections();
		await new Promise((done) => this.server.close(done));
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const agent = new FakeAgent({});
	process.stdout.write(await agent.listen(Number(process.argv[2] || 0)) + '\n');
	setInterval(() => agent.emit(agent.fleet.nextEvent()), 5000);
}
