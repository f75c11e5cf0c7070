// SPDX-License-Identifier: GPL-2.0-or-later
// The report's flamegraph, at a profile or between two; where it is zoomed to stands in the address.
import {get} from './api.js';
import {Resource} from './resource.js';
import {choice, downloadLink, link, pageLink, setQuery, show, targetPath} from './widgets.js';
import {shortWhen, text, when, zone} from './words.js';

const {m, HF} = window;
const KEPT = 8;
const read = new Map(); // address → report or diff; the newest last

/* Profiles and diffs do not change, so what was read is kept; not much of it. */
async function profileJson(path, query, signal) {
	const name = path + JSON.stringify(query);
	const known = read.get(name) || await get(path, query, {signal});
	read.delete(name);
	if (query.profile !== 'latest')
		read.set(name, known);
	while (read.size > KEPT)
		read.delete(read.keys().next().value);
	return known;
}

/* A box as text: the function's name, and a hash of the way to it. The same in every profile of the program. */
function spotOf(panel, n) {
	if (n === 0)
		return null;
	const path = panel.tree.path(n).map((node) => panel.model.table.functions[panel.tree.key[node]].label);
	return path[path.length - 1].slice(0, 40) + '~' + HF.hash(path.join('\n')).toString(36);
}

function findSpot(panel, spot) {
	const hash = spot.slice(spot.lastIndexOf('~') + 1), {tree} = panel;
	const names = [''];
	for (let n = 1; n < tree.count; n++) {
		const label = panel.model.table.functions[tree.key[n]].label;
		names[n] = tree.parent[n] ? names[tree.parent[n]] + '\n' + label : label;
		if (HF.hash(names[n]).toString(36) === hash)
			return n;
	}
	return 0;
}

/* The row whose stack is the leak's. */
function rowOfLeak(panel, leak) {
	const wanted = HF.list(leak.stack).map((f) => text(f.function) + '\n' + text(f.file)).join('\n');
	const {frames} = panel.model.table;
	return panel.tree.rows.find((row) => row.stack.length && row.stack.map((i) => frames[i].name + '\n' + frames[i].file).join('\n') === wanted);
}

/* attrs: raw (a report or a diff), diff, leak (to go to), stamp (another one: built anew). */
function FlameView() {
	let panel, table, unfollow, ready = false;
	const build = ({dom, attrs}) => {
		ready = false;
		unfollow?.();
		const host = dom.querySelector('.flame-host'), sites = dom.querySelector('.sites-host'), types = dom.querySelector('.types-host');
		[host, sites, types].forEach((node) => node.replaceChildren());
		try {
			const model = attrs.diff ? HF.readDiff(attrs.raw) : HF.readReport(attrs.raw);
			panel = new HF.FlamePanel(host, model, attrs.diff ? new HF.ChangeFlame(model) : new HF.SiteFlame(model), {
				onfilter: (name) => {
					dom.querySelector('.sites-box').open = true;
					table.setFilter(name);
				},
				onzoom: (n) => ready && setQuery({focus: spotOf(panel, n), leak: null}), onmetric: (id) => ready && setQuery({metric: id}),
			});
			const focus = (row) => panel.focusStack(row);
			table = attrs.diff ? HF.changeTable(sites, model, focus) : HF.siteTable(sites, model, focus);
			if (attrs.diff ? model.types.length : model.census.length)
				HF[attrs.diff ? 'showTypeChanges' : 'showTypes'](types, model);
			else
				types.append(HF.el('p', {class: 'empty'}, 'None: the heap was not looked at.'));
			HF.page = {model, panel, table};
			unfollow = HF.theme.follow((dark) => panel.setTheme(dark));
			place(attrs);
		} catch (e) {
			console.error(e);
			host.append(HF.el('p', {class: 'problem', role: 'alert'}, 'This profile cannot be shown. ' + HF.text(e.message)));
		}
		ready = true;
	};
	/* To the metric and the box that the address names. */
	const place = (attrs) => {
		const metric = panel.view.metrics.find((x) => x.id === m.route.param('metric'));
		if (metric && panel.sum(metric.id) > 0)
			panel.setMetric(metric);
		const row = attrs.leak && rowOfLeak(panel, attrs.leak), spot = m.route.param('focus');
		if (row)
			panel.focusStack(row);
		else if (spot)
			panel.flame.zoom(findSpot(panel, String(spot)));
	};
	/* Back and forward in the history move it, too. */
	const follow = (attrs) => {
		const spot = m.route.param('focus') || null;
		if (!panel || !ready || attrs.leak || spot === spotOf(panel, panel.flame.zoomed))
			return;
		ready = false;
		if (spot)
			panel.flame.zoom(findSpot(panel, String(spot)));
		else
			panel.flame.reset();
		ready = true;
	};
	return {
		oncreate: build,
		onupdate: (vnode) => {
			if (vnode.state.stamp !== undefined && vnode.state.stamp !== vnode.attrs.stamp)
				build(vnode);
			else
				follow(vnode.attrs);
			vnode.state.stamp = vnode.attrs.stamp;
		},
		onremove: () => {
			unfollow?.();
			HF.page = null;
		},
		oninit: (vnode) => { vnode.state.stamp = vnode.attrs.stamp; },
		view: ({attrs}) => m('.flame-view', [m('.flame-host'), m('details.sites-box[open]', [m('summary', 'Sites'), m('.sites-host')]), m('details', [m('summary', attrs.diff ? 'What changed by type' : 'Types on the heap'), m('.types-host')])]),
	};
}

const label = (p) => shortWhen(p.time) + ' · ' + text(p.reason, 20) + ' · ' + text(p.state, 20) + (typeof p.growth_rate_mb_per_min === 'number' ? ' · ' + HF.rate(p.growth_rate_mb_per_min * 1048576 / 60) : '');
const FORMATS = ['json', 'pprof', 'folded', 'speedscope', 'text'];
const ENDINGS = {json: 'json', pprof: 'pb.gz', folded: 'folded', speedscope: 'speedscope.json', text: 'txt', html: 'html'};

export const profileLinks = (target, id, name) => {
	const path = 'targets/' + encodeURIComponent(target) + '/profiles/' + encodeURIComponent(id);
	return m('span.links', [pageLink(path, {format: 'html'}, 'html'), FORMATS.map((f) => [' ', downloadLink(path, {format: f}, name + '-' + id + '.' + ENDINGS[f], f)])]);
};

/* attrs: target, profiles (newest first), leaks. */
export function FlameTab() {
	let asked = '', resource = null;
	const want = ({target, profiles}) => {
		const newest = profiles.length ? String(profiles[0].id) : null;
		return {profile: String(m.route.param('profile') || newest), base: m.route.param('base') ? String(m.route.param('base')) : null, target: target.id};
	};
	const follow = (attrs) => {
		const w = want(attrs), name = w.target + '/' + w.base + '/' + w.profile;
		if (name === asked || !attrs.profiles.length && !m.route.param('profile'))
			return w;
		asked = name;
		resource?.stop();
		const path = 'targets/' + encodeURIComponent(w.target);
		resource = new Resource((signal) => w.base ? profileJson(path + '/diff', {from: w.base, to: w.profile, format: 'json'}, signal) : profileJson(path + '/profiles/' + encodeURIComponent(w.profile), {format: 'json'}, signal), 0).start();
		return w;
	};
	const pick = (changes) => setQuery({...changes, leak: null}, true);
	const toolbar = ({target, profiles}, {profile, base}) => {
		const at = profiles.findIndex((p) => String(p.id) === profile), options = profiles.map((p) => [p.id, label(p)]);
		const known = at >= 0 ? options : [[profile, 'profile ' + profile], ...options];
		const older = profiles[at + 1], newer = profiles[at - 1], name = text(target.name, 40).replace(/[^\w.-]+/g, '_');
		return [m('.toolbar', [
			m('button[type=button]', {disabled: !older, title: 'The profile before ( [ )', 'aria-label': 'Older profile', onclick: () => pick({profile: older.id})}, '◀'), choice(base ? 'To' : 'Profile', profile, known, (id) => pick({profile: id})),
			m('button[type=button]', {disabled: !newer, title: 'The profile after ( ] )', 'aria-label': 'Newer profile', onclick: () => pick({profile: newer.id})}, '▶'),
			choice('Compared with', base || '', [['', 'nothing'], ...options.filter(([id]) => String(id) !== profile)], (id) => pick({base: id || null, focus: null, metric: null})),
			base ? m('button[type=button]', {onclick: () => pick({base: profile, profile: base, focus: null})}, 'Swap') : null,
			m('span.downloads', base ? [pageLink('targets/' + encodeURIComponent(target.id) + '/diff', {from: base, to: profile, format: 'html'}, 'html'), ['json', 'folded', 'text'].map((f) => [' ', downloadLink('targets/' + encodeURIComponent(target.id) + '/diff', {from: base, to: profile, format: f}, name + '-diff-' + base + '-' + profile + '.' + ENDINGS[f], f)])] : profileLinks(target.id, profile, name)),
		]), at >= 0 ? m('p.soft', [base ? 'What changed until ' : 'As of ', when(profiles[at].time), ', ', zone()]) : null];
	};
	return {
		onremove: () => resource?.stop(),
		view: ({attrs}) => {
			const w = follow(attrs);
			if (!resource)
				return m('p.empty', ['There is no profile yet. One is made when growth persists, at a session’s end, or when you trace now.']);
			const leak = m.route.param('leak') && attrs.leaks.find((l) => l.leak_id === m.route.param('leak'));
			return [toolbar(attrs, w), show(resource, (raw) => m(FlameView, {raw, diff: Boolean(w.base), leak: leak || null, stamp: raw}), 'Reading the profile…')];
		},
	};
}

/* attrs: target, profiles. Python's side of the newest profile, or of the one that the address names. */
export function PythonTab() {
	let resource = null, shown = null;
	return {
		oninit: ({attrs}) => {
			const id = m.route.param('profile') || attrs.profiles[0]?.id;
			if (id !== undefined)
				resource = new Resource((signal) => profileJson('targets/' + encodeURIComponent(attrs.target.id) + '/profiles/' + encodeURIComponent(id), {format: 'json'}, signal), 0).start();
		},
		onremove: () => resource?.stop(),
		onupdate: ({dom}) => {
			const host = dom.querySelector('.python-host');
			if (!host || !resource?.data || shown === resource.data)
				return;
			shown = resource.data;
			host.replaceChildren();
			const model = HF.readReport(shown);
			if (model.python.length)
				HF.showPython(host, model);
			else
				host.append(HF.el('p', {class: 'empty'}, 'This profile has nothing of Python: it was made without a look at the interpreter.'));
		},
		view: ({attrs: {target, profiles}}) => m('div', [
			m('p', ['Collections so far: ', m('b', typeof target.gc_collections === 'number' ? HF.count(target.gc_collections) : '–'), ' · objects: ', m('b', typeof target.heap_objects === 'number' ? HF.count(target.heap_objects) : '–'), target.python ? ' · CPython ' + text(target.python, 20) : '']),
			resource ? show(resource, () => m('.python-host')) : m('p.empty', profiles.length ? '' : 'There is no profile yet: trace now to have the types.'),
			profiles.length ? m('p.note', ['From the profile of ', when((profiles.find((p) => String(p.id) === String(m.route.param('profile'))) || profiles[0]).time), ', ', zone(), '. ', link(targetPath(target.id) + '/profiles', {}, 'All profiles')]) : null]),
	};
}
