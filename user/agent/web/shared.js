// SPDX-License-Identifier: GPL-2.0-or-later
// What every screen has at hand: the agent's status, the alerts that fire, the newest events.
import {get, getAll} from './api.js';
import {live} from './live.js';
import {Resource} from './resource.js';
import {badge, link, targetPath} from './widgets.js';
import {ago, some, text, when} from './words.js';

const {m, HF} = window;
const KEPT = 1000;
const ALERTING = new Set(['PerformanceThresholdExceeded', 'LeakDetected', 'LeakCleared', 'TargetEnded', 'TargetOomKilled']);

const nameOf = (alert) => [alert.name, alert.target].join('/');

/* Says what fires now and did not before. */
function tellNew({alerts}) {
	const names = new Set(alerts.map(nameOf));
	const fresh = shared.firing ? alerts.filter((a) => !shared.firing.has(nameOf(a))) : [];
	shared.firing = names;
	if (fresh.length)
		HF.announce((fresh.length > 1 ? fresh.length + ' new alerts: ' : 'New alert: ') + fresh.slice(0, 3).map((a) => text(a.severity, 20) + ', ' + text(a.text, 200)).join('; '));
}

export const shared = {
	firing: null,
	events: [], // newest first
	status: new Resource((signal) => get('status', {}, {signal}), 10),
	alerts: new Resource((signal) => get('alerts', {}, {signal}), 20, tellNew),

	/* The stream goes on where the newest event that was read ends. */
	async start() {
		this.status.start();
		this.alerts.start();
		live.listen((events) => {
			this.events = [...events.slice().reverse(), ...this.events].slice(0, KEPT);
			if (events.some((e) => ALERTING.has(e.event)))
				this.alerts.refresh();
		});
		let last = null;
		try {
			const {events} = await get('events', {limit: 1});
			last = events.reduce((max, e) => Math.max(max, e.id), 0) || null;
		} catch {} // told elsewhere: the status asks, too
		live.start(last);
	},
};

/* Events of a query, newest first, as far back as `pages` go. */
export async function readEvents(query, signal, pages, from) {
	const {items, cursor} = await getAll('events', from ? {...query, cursor: from} : query, 'events', {signal, most: pages});
	return {events: items.filter((e) => Number.isInteger(e.id)).sort((a, b) => b.id - a.id), cursor};
}

const worstFirst = (alerts) => [...alerts].sort((a, b) => (b.severity === 'critical') - (a.severity === 'critical'));

/* What fires now, on top of the overview. */
export function alertStrip(resource) {
	const alerts = resource.data ? HF.list(resource.data.alerts) : [];
	if (!alerts.length)
		return null;
	const worst = alerts.some((a) => a.severity === 'critical') ? 'bad' : 'warn';
	return m('section.strip', {class: worst, 'aria-label': 'Firing alerts'}, [m('h2', [some(alerts.length, 'alert'), ' firing']),
		m('ul', worstFirst(alerts).slice(0, alerts.length > 6 ? 5 : 6).map((a) => m('li', [badge(a.severity), ' ', a.target !== null && a.target !== undefined ? link(targetPath(a.target), {}, text(a.target_name, 60) || 'target ' + a.target) : 'agent', ' ', text(a.text), ' ', m('span.soft', {title: when(a.since)}, ago(a.since))])),
			alerts.length > 6 ? m('li', link('/alerts', {}, 'All ' + alerts.length + ' alerts')) : null)]);
}
