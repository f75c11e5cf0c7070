// SPDX-License-Identifier: GPL-2.0-or-later
// The table of sites: all of them sorted and filtered, one page of them in the document.
(function (HF) {
'use strict';

const {button, el, svg, fill} = HF;
const PAGE = 25;
const COLUMNS = [
	{id: 'name', label: 'First own frame'},
	{id: 'state', label: 'State'},
	{id: 'growth', label: 'Growth', show: (s) => s.growth ? HF.rate(s.growth) : '–'},
	{id: 'outstanding_bytes', label: 'Held', show: (s) => HF.bytes(s.outstanding_bytes)},
	{id: 'outstanding_count', label: 'Blocks', show: (s) => HF.count(s.outstanding_count)},
	{id: 'peak_bytes', label: 'Peak', show: (s) => HF.bytes(s.peak_bytes)},
	{id: 'alloc_bytes', label: 'Allocated', show: (s) => HF.bytes(s.alloc_bytes)},
	{id: 'allocs', label: 'Allocs', show: (s) => HF.count(s.allocs)},
	{id: 'frees', label: 'Frees', show: (s) => HF.count(s.frees)},
	{id: 'temporary_count', label: 'Temporary', show: (s) => HF.count(s.temporary_count)},
];

/* The value below which half of a log2 histogram lies, as the upper edge of its bucket. */
function median(buckets) {
	const whole = buckets.reduce((sum, n) => sum + n, 0);
	for (let i = 0, sum = 0; i < buckets.length; i++) {
		sum += buckets[i];
		if (sum > 0 && sum >= whole / 2)
			return 2 ** (i + 1);
	}
	return 0;
}

/* Tiny bars, one per power of two; `unit` words a value. */
function bars(title, buckets, unit) {
	const whole = buckets.reduce((sum, n) => sum + n, 0);
	if (!(whole > 0))
		return el('figure', {class: 'bars'}, el('figcaption', {}, title), el('p', {class: 'soft'}, 'none recorded'));
	const used = buckets.map((n, i) => n > 0 ? i : -1).filter((i) => i >= 0);
	const lo = Math.max(0, used[0] - 1), hi = used[used.length - 1] + 1, most = Math.max(...buckets);
	const words = 'half are under ' + unit(median(buckets));
	const picture = svg('svg', {viewBox: '0 0 ' + (hi - lo + 1) * 12 + ' 44', class: 'bar-picture', role: 'img', 'aria-label': title + ': ' + words, width: (hi - lo + 1) * 12, height: 44});
	for (let i = lo; i <= hi; i++) {
		const n = buckets[i] || 0, height = n > 0 ? Math.max(2, 40 * n / most) : 1;
		fill(picture, svg('rect', {x: (i - lo) * 12 + 1, y: 42 - height, width: 10, height, class: n > 0 ? 'bar' : 'bar none'},
			svg('title', {}, unit(2 ** i) + ' to ' + unit(2 ** (i + 1)) + ': ' + HF.count(n) + ' (' + HF.percent(n, whole) + ')')));
	}
	return el('figure', {class: 'bars'}, el('figcaption', {}, title), picture,
		el('p', {class: 'soft'}, unit(2 ** used[0]) + ' … ' + unit(2 ** (used[used.length - 1] + 1)) + '; ' + words));
}

const seconds = (ns) => HF.duration(ns / 1e9);

HF.SiteTable = class {
	/* options.onfocus(site): show its stack in the flamegraph. */
	constructor(host, model, options) {
		this.model = model;
		this.options = options;
		this.several = model.processes.length > 1;
		this.sortBy = model.sites.some((s) => s.outstanding_bytes > 0) ? 'outstanding_bytes' : 'alloc_bytes';
		this.descending = true;
		this.page = 0;
		for (const site of model.sites)
			site.name = site.user >= 0 ? model.table.frames[site.stack[site.user]].label : 'no stack';
		this.build(host);
		this.apply();
	}

	build(host) {
		this.filter = el('input', {type: 'search', placeholder: 'Filter: function, file, module, state, allocator', 'aria-label': 'Filter sites', spellcheck: 'false', oninput: () => this.refilter()});
		this.count = el('output', {class: 'share'});
		this.head = el('tr');
		this.body = el('tbody');
		this.previous = button('← Previous', () => this.turn(-1));
		this.next = button('Next →', () => this.turn(1));
		this.where = el('span', {class: 'soft', 'aria-live': 'polite'});
		fill(host, el('div', {class: 'toolbar'}, el('div', {class: 'finder'}, this.filter, this.count)),
			el('div', {class: 'scroll'}, el('table', {class: 'sites'}, el('caption', {class: 'sr'}, 'Allocation sites'), el('thead', {}, this.head), this.body)),
			el('div', {class: 'pager'}, this.previous, this.where, this.next));
	}

	setFilter(words) {
		this.filter.value = words;
		this.refilter();
		this.filter.scrollIntoView({block: 'center'});
		this.filter.focus({preventScroll: true});
	}

	refilter() {
		this.page = 0;
		this.apply();
	}

	apply() {
		const words = this.filter.value.trim().toLowerCase();
		let sites = this.model.sites.slice();
		if (words) {
			const hit = this.model.table.matching(words), frames = this.model.table.frames;
			sites = sites.filter((s) => s.state.includes(words) || s.allocator.toLowerCase().includes(words) || s.stack.some((i) => hit[frames[i].key] === 1));
		}
		const sign = this.descending ? -1 : 1, by = this.sortBy;
		sites.sort(by === 'name' || by === 'state' ? (a, b) => sign * (a[by] < b[by] ? -1 : a[by] > b[by] ? 1 : 0) || a.id - b.id : (a, b) => sign * (a[by] - b[by]) || a.id - b.id);
		this.shown = sites;
		this.count.textContent = HF.count(sites.length) + (words ? ' of ' + HF.count(this.model.sites.length) : '') + (sites.length === 1 ? ' site' : ' sites');
		this.draw();
	}

	sort(id) {
		this.descending = id === this.sortBy ? !this.descending : !(id === 'name' || id === 'state');
		this.sortBy = id;
		this.page = 0;
		this.apply();
		this.head.querySelector('[aria-sort] button').focus();
	}

	turn(by) {
		this.page += by;
		this.draw();
	}

	draw() {
		const pages = Math.max(1, Math.ceil(this.shown.length / PAGE));
		this.page = Math.max(0, Math.min(this.page, pages - 1));
		this.head.replaceChildren(...COLUMNS.map((c) => el('th', {scope: 'col', class: c.show ? 'num' : null, 'aria-sort': c.id === this.sortBy ? (this.descending ? 'descending' : 'ascending') : null},
			button([c.label, el('span', {'aria-hidden': 'true'}, c.id === this.sortBy ? (this.descending ? ' ↓' : ' ↑') : '')], () => this.sort(c.id), {class: 'sorter'}))));
		this.body.replaceChildren(...this.shown.slice(this.page * PAGE, (this.page + 1) * PAGE).map((s) => this.row(s)));
		this.previous.disabled = this.page === 0;
		this.next.disabled = this.page >= pages - 1;
		this.where.textContent = 'Page ' + (this.page + 1) + ' of ' + HF.count(pages);
	}

	row(site) {
		const own = site.user >= 0 ? this.model.table.frames[site.stack[site.user]] : null;
		const toggle = button([el('span', {class: 'arrow', 'aria-hidden': 'true'}, '▸'), el('span', {class: 'fn', title: site.name}, HF.clip(site.name, 100))], () => this.expand(site, row, toggle), {class: 'open', 'aria-expanded': 'false'});
		const row = el('tr', {}, el('th', {scope: 'row'}, toggle, own && el('span', {class: 'src'}, HF.clip(HF.place(own), 100)), this.several && el('span', {class: 'src'}, 'pid\u00a0' + site.pid)),
			el('td', {}, HF.badge(site.state)), COLUMNS.filter((c) => c.show).map((c) => el('td', {class: 'num'}, c.show(site))));
		return row;
	}

	expand(site, row, toggle) {
		const open = toggle.getAttribute('aria-expanded') === 'true';
		toggle.setAttribute('aria-expanded', String(!open));
		if (open)
			row.nextSibling.remove();
		else
			row.after(el('tr', {class: 'expanded'}, el('td', {colspan: COLUMNS.length}, this.patterns(site))));
	}

	patterns(site) {
		const text = site.stack.map((index, i) => HF.frameText(this.model.table.frames[index], i)).join('\n') + '\n';
		return el('div', {class: 'site-body'}, el('div', {}, el('h4', {}, 'Stack'), site.stack.length ? HF.stackList(site, this.model.table.frames) : el('p', {class: 'soft'}, 'none recorded'),
			el('div', {class: 'buttons'}, site.stack.length > 0 && [button('In flamegraph', () => this.options.onfocus(site)), button('Copy stack', () => HF.copy(text))])),
		el('div', {}, el('h4', {}, 'Allocation patterns'), el('div', {class: 'patterns'}, bars('Sizes', HF.histogram(site.size), HF.bytes), bars('Lifetimes of freed blocks', HF.histogram(site.lifetime), seconds)),
			el('p', {class: 'soft'}, [site.allocator, site.allocs > 0 && HF.percent(site.frees, site.allocs) + ' freed', site.allocs > 0 && HF.percent(site.temporary_count, site.allocs) + ' temporary',
				site.interval && 'estimated: ' + HF.bytes(site.interval[0]) + ' to ' + HF.bytes(site.interval[1]) + ' held'].filter(Boolean).join(' · '))));
	}
};
})(window.HF = window.HF || {});
