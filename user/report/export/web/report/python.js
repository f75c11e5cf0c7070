// SPDX-License-Identifier: GPL-2.0-or-later
// Interpreters of Python: their objects by type with what holds them, and their garbage.
(function (HF) {
'use strict';

const {el, fill, num, text, list, map} = HF;
const HELD_ENOUGH = 0.5; // of the objects looked at: then it is worth telling
const PAGE = 25;

function holder(type) {
	const share = num(type.held_share);
	if (!text(type.held_by) || share < HELD_ENOUGH)
		return '–';
	return [el('code', {}, HF.clip(text(type.held_by), 200)), share < 0.995 && el('span', {class: 'soft'}, ' ' + Math.round(share * 100) + ' %')];
}

function typeRow(type, grew) {
	const unreachable = num(type.unreachable_count), growth = num(type.growth_bytes_per_second);
	return el('tr', {},
		el('th', {scope: 'row'}, el('span', {class: 'fn', title: text(type.type)}, HF.clip(text(type.type), 120))),
		el('td', {class: 'num'}, HF.count(num(type.count))), el('td', {class: 'num'}, HF.bytes(num(type.bytes))),
		grew && el('td', {class: 'num'}, growth ? HF.rate(growth) : '–'),
		grew && el('td', {class: 'num'}, num(type.grown_count) ? (type.grown_count > 0 ? '+' : '−') + HF.count(Math.abs(type.grown_count)) : '–'),
		el('td', {class: 'num'}, unreachable > 0 ? HF.count(unreachable) : '–'), el('td', {}, holder(type)));
}

/* What grows comes first, then what is large: the report has them by size. */
function typeTable(types) {
	const grew = types.some((type) => type.growth_bytes_per_second !== undefined);
	const rises = (type) => Math.max(0, num(type.growth_bytes_per_second));
	const rows = grew ? [...types].sort((a, b) => rises(b) - rises(a)) : types;
	const body = el('tbody', {}), more = HF.more(rows, PAGE, (next) => fill(body, next.map((type) => typeRow(type, grew))));
	const labels = ['Type', 'Objects', 'Bytes', grew && 'Growth', grew && 'Objects more', 'Unreachable', 'Held by'].filter(Boolean);
	return [el('div', {class: 'scroll'}, el('table', {class: 'types'}, el('caption', {class: 'sr'}, 'Objects of Python by type'),
		el('thead', {}, el('tr', {}, labels.map((label, i) => el('th', {scope: 'col', class: i && i < labels.length - 1 ? 'num' : null}, label)))), body)), more];
}

function collectorText(collector) {
	const generations = list(collector.generations).map(map), numbers = (field) => generations.map((g) => HF.count(num(g[field]))).join(' · ');
	return (collector.enabled === false ? 'off' : 'on') + ', thresholds ' + numbers('threshold') + '; collections ' + numbers('collections');
}

function pausesText(pauses) {
	const seconds = num(pauses.timed_s), total = num(pauses.total_ms);
	if (!(seconds > 0))
		return '';
	return HF.some(num(pauses.count), 'collection') + ' in ' + HF.duration(seconds) + ', ' + HF.percent(total / 1e3, seconds) + ' of the time, ' + HF.duration(num(pauses.longest_ms) / 1e3) + ' at most';
}

const amount = (count, bytes) => count > 0 && HF.some(count, 'object') + ', ' + HF.bytes(bytes);

function facts(python, model) {
	const collector = map(python.collector), overcounted = num(python.overcounted_count);
	const circles = num(python.unreachable_count) - overcounted;
	const pairs = [
		['Version', text(python.version, 40) || 'not known'], model.processes.length > 1 && ['Process', 'pid ' + num(python.pid)],
		python.objects_known === true && ['Objects', HF.count(num(python.objects)) + ', ' + HF.bytes(num(python.bytes))],
		num(python.pools) > 0 && ['Pools', HF.bytes(num(python.pool_used_bytes)) + ' used, ' + HF.bytes(num(python.pool_free_bytes)) + ' free in ' + HF.some(num(python.arenas), 'arena')],
		python.collector && ['Garbage collector', collectorText(collector)],
		['Pauses for it', pausesText(map(collector.pauses))],
		['Held only by each other', amount(circles, num(python.unreachable_bytes) - num(python.overcounted_bytes)), collector.enabled === false ? 'gc is off: nothing frees them' : 'the next collection frees them'],
		['Held by nothing', amount(overcounted, num(python.overcounted_bytes)), 'references are counted all the same: an extension took one too many'],
		num(python.garbage) > 0 && ['Uncollectable', HF.some(num(python.garbage), 'object') + ' in gc.garbage'],
		['Not known', text(python.reason)],
	];
	return el('dl', {class: 'pairs'}, pairs.filter((pair) => pair && pair[1]).map(([name, value, remark]) =>
		[el('dt', {}, name), el('dd', {}, value, remark && el('span', {class: 'soft'}, ': ' + remark))]));
}

/* Per reading, of the time since the one before: the share of it that timed collections took, and how many there were a second. */
function collectorSeries(series, until) {
	const readings = series.filter((p) => num(p.gc_collections) > 0 && p.time <= until); // later ones are not timed
	return readings.slice(1).map((p, i) => {
		const before = readings[i], seconds = p.time - before.time;
		return {time: p.time, gc_percent: seconds > 0 ? Math.max(0, num(p.gc_pause_ms) - num(before.gc_pause_ms)) / seconds / 10 : 0,
			gc_per_second: seconds > 0 ? Math.max(0, p.gc_collections - before.gc_collections) / seconds : 0};
	});
}

function showChart(host, model) {
	const points = collectorSeries(model.series, num(model.capture.duration_s, Infinity));
	const timed = points.some((p) => p.gc_percent > 0);
	if (points.length < 2 || !(timed || points.some((p) => p.gc_per_second > 0)))
		return;
	const chart = el('div', {});
	fill(host, el('h3', {}, 'Garbage collection over time'), chart);
	const line = timed ? {field: 'gc_percent', label: 'Time in collections', on: true} : {field: 'gc_per_second', label: 'Collections a second', on: true};
	new HF.Chart(chart, points, [line], {limit: 0, start: Date.parse(model.capture.started_at), about: 'Garbage collection', unit: timed ? HF.PERCENT : HF.PER_SECOND});
}

HF.showPython = function (host, model) {
	for (const python of model.python) {
		const types = list(python.types).map(map);
		fill(host, facts(python, model), types.length > 0 && typeTable(types));
	}
	if (model.python.length)
		showChart(host, model);
};
})(window.HF = window.HF || {});
