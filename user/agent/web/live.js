// SPDX-License-Identifier: GPL-2.0-or-later
// The stream of events. Read by fetch, for EventSource can carry no token. A hidden page lets go of it: browsers allow
// six connections to a host, all windows together; on return what was missed comes by `since`.
import {api, connection, headers} from './api.js';

const {m} = window;
const SILENCE_MS = 45000; // the agent says something every 15 s

/* The fields of one block of a stream of events, or null: a comment. */
function parseBlock(block) {
	const fields = {};
	for (const line of block.split('\n')) {
		const colon = line.indexOf(':');
		if (colon > 0)
			fields[line.slice(0, colon)] = (fields[line.slice(0, colon)] ? fields[line.slice(0, colon)] + '\n' : '') + line.slice(colon + 1).replace(/^ /, '');
	}
	if (!fields.data)
		return null;
	try {
		return JSON.parse(fields.data);
	} catch {
		return null;
	}
}

export const live = {
	connected: false,
	last: null,
	listeners: new Set(),

	listen(listener) {
		this.listeners.add(listener);
		return () => this.listeners.delete(listener);
	},

	/* `last`: the id of the newest event that is known. */
	start(last) {
		this.last = last;
		document.addEventListener('visibilitychange', () => document.hidden ? this.stop() : this.connect());
		connection.listen((up) => up ? this.connect() : this.stop());
		this.connect();
	},

	stop() {
		this.abort?.abort();
		this.abort = null;
		this.connected = false;
	},

	async connect() {
		if (this.abort || document.hidden)
			return;
		const abort = this.abort = new AbortController();
		let wait = 1000;
		while (!abort.signal.aborted) {
			if (await this.read(abort))
				wait = 1000;
			this.connected = false;
			m.redraw();
			if (abort.signal.aborted)
				break;
			await new Promise((done) => setTimeout(done, wait * (0.75 + Math.random() / 2)));
			wait = Math.min(30000, wait * 2);
		}
	},

	/* One connection, to its end; true if it came to be. */
	async read(abort) {
		const own = new AbortController();
		const end = () => own.abort();
		abort.signal.addEventListener('abort', end);
		let timer = setTimeout(end, SILENCE_MS);
		try {
			const response = await fetch(api('events/stream', {since: this.last}), {headers: headers({Accept: 'text/event-stream'}), cache: 'no-store', signal: own.signal});
			if (!response.ok)
				return false;
			this.connected = true;
			m.redraw();
			const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
			for (let rest = ''; ;) {
				const {done, value} = await reader.read();
				if (done)
					return true;
				clearTimeout(timer);
				timer = setTimeout(end, SILENCE_MS);
				const blocks = (rest + value).replace(/\r\n/g, '\n').split('\n\n');
				rest = blocks.pop();
				this.take(blocks.map(parseBlock).filter(Boolean));
			}
		} catch {
			return this.connected;
		} finally {
			clearTimeout(timer);
			abort.signal.removeEventListener('abort', end);
			own.abort();
		}
	},

	take(events) {
		const fresh = events.filter((event) => Number.isInteger(event.id) && !(event.id <= this.last));
		if (!fresh.length)
			return;
		this.last = fresh[fresh.length - 1].id;
		this.listeners.forEach((listener) => listener(fresh));
		m.redraw();
	},
};
