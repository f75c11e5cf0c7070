// SPDX-License-Identifier: GPL-2.0-or-later
// Something that is asked for, and asked for again. The last good answer stays when a later one fails.
import {connection} from './api.js';

const {m} = window;
const running = new Set();

export class Resource {
	/* load(signal) gives a promise; seconds: how often (0: once); then(data): called with each answer. */
	constructor(load, seconds, then) {
		Object.assign(this, {load, seconds, then, data: null, problem: null, at: 0, loading: false});
	}

	start() {
		running.add(this);
		this.refresh();
		return this;
	}

	stop() {
		running.delete(this);
		clearTimeout(this.timer);
		this.abort?.abort();
		this.abort = null;
	}

	/* Asks now; what was asked before and is not yet answered does not count any more. */
	async refresh() {
		clearTimeout(this.timer);
		this.abort?.abort();
		const abort = this.abort = new AbortController();
		this.loading = true;
		try {
			const data = await this.load(abort.signal);
			if (abort !== this.abort)
				return;
			this.data = data;
			this.problem = null;
			this.at = Date.now();
			this.then?.(data);
		} catch (e) {
			if (abort !== this.abort)
				return;
			if (!e.what)
				console.error(e); // ours, not the agent's
			this.problem = e;
		}
		this.loading = false;
		this.abort = null;
		m.redraw();
		if (this.seconds && running.has(this) && !document.hidden)
			this.timer = setTimeout(() => this.refresh(), this.seconds * 1000);
	}
}

export const refreshAll = () => running.forEach((resource) => resource.refresh());

document.addEventListener('visibilitychange', () => {
	if (!document.hidden)
		running.forEach((r) => r.seconds && Date.now() - r.at > r.seconds * 1000 && r.refresh());
});
connection.listen((up) => up && refreshAll());
