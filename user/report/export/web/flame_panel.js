// SPDX-License-Identifier: GPL-2.0-or-later
// Around a flamegraph: metric, process, search, breadcrumb, tooltip, details of a frame, legend.
(function (HF) {
'use strict';

const {button, el, fill} = HF;
const KIND_WORDS = {
	native: 'native', inlined: 'inlined (↳): part of the frame above it in the machine code', python: 'Python (py)', kernel: 'kernel (k)',
	jit: 'JIT code (jit)', unknown: 'unknown (?): no symbol', synthetic: 'a group, not a function',
};

/* Of a program of Python: which frames are shown. */
const CHOICES = {
	all: {label: 'Python and native frames', keep: null},
	python: {label: 'Python frames', keep: (f) => f.kind === 'python'},
	native: {label: 'Native frames', keep: (f) => f.kind !== 'python'},
};

/*
 * The view tells what is shown: rows (stack, user, a width in the field of each metric's id), metrics, legendLabel, legend(), painter() and sign() for
 * HF.Flame, total(), value(), tip() and figures() of a node; weighed() follows each weighing; sourceRows() picks those whose lines count.
 */
HF.FlamePanel = class {
	/* options: onfilter(name): show the sites of a function; onzoom(node), onmetric(id), if given: the reader went there. */
	constructor(host, model, view, options) {
		this.model = model;
		this.view = view;
		this.options = options;
		this.allRows = view.rows;
		this.pid = null;
		this.fold = false;
		this.choice = CHOICES.all;
		this.noStack = model.table.synthetic('no stack: allocated before attach, or not recorded');
		this.noFrame = model.table.synthetic('no frame of that kind');
		this.groups = new Map(model.processes.map((p) => [p.pid, model.table.synthetic('process ' + p.pid + (p.comm ? ' ' + p.comm : ''))]));
		this.metric = view.metrics.find((m) => this.sum(m.id) > 0) || view.metrics[0];
		this.build(host);
		this.flame = new HF.Flame(this.stage, {
			functions: model.table.functions, painter: (dark) => view.painter(this, dark), sign: (n) => view.sign(this, n), onselect: (n, quiet) => this.showDetails(n, quiet),
			onzoom: (n) => this.zoomedTo(n), onhover: (n, e) => this.showTip(n, e),
		});
		this.rebuild();
	}

	sum(id) {
		return this.allRows.reduce((sum, row) => sum + Math.max(0, row[id] || 0), 0);
	}

	build(host) {
		this.crumbs = el('nav', {class: 'crumbs', 'aria-label': 'Zoomed frames'});
		this.note = el('p', {class: 'note'});
		this.stage = el('div', {class: 'stage'});
		this.legend = el('ul', {class: 'legend', 'aria-label': this.view.legendLabel});
		this.details = el('div', {class: 'details', 'aria-label': 'Selected frame', role: 'region'});
		this.tip = el('div', {class: 'tip', hidden: true, 'aria-hidden': 'true'});
		fill(host, this.toolbar(), this.crumbs,
			el('div', {class: 'flame-body'}, el('div', {class: 'flame-main'}, this.stage, this.note, this.legend), this.details),
			el('p', {class: 'note keys', id: 'flame-keys'}, 'Keys: arrows move, Enter zooms, Backspace goes back, Esc shows all, / searches, n and N step through hits. The table of sites below holds the same data as text.'), this.tip);
	}

	toolbar() {
		this.metricButtons = this.view.metrics.map((m) => button(m.label, () => this.setMetric(m), {'data-metric': m.id, title: m.help, disabled: !(this.sum(m.id) > 0)}));
		this.search = el('input', {type: 'search', id: 'flame-search', placeholder: 'Search function, file, module  ( / )', 'aria-label': 'Search function, file or module', spellcheck: 'false',
			oninput: () => this.find(), onkeydown: (e) => this.searchKey(e)});
		this.share = el('output', {class: 'share', for: 'flame-search'});
		this.orient = button('Flames up', () => this.flip(), {'aria-pressed': 'false', title: 'Root at the bottom'});
		this.foldButton = button('Fold recursion', () => this.toggleFold(), {'aria-pressed': 'false', title: 'A function that calls itself directly becomes one box'});
		const several = this.model.processes.length > 1;
		this.process = several && el('select', {'aria-label': 'Process', onchange: (e) => this.setProcess(e.target.value)},
			el('option', {value: ''}, 'All ' + this.model.processes.length + ' processes'),
			this.model.processes.map((p) => el('option', {value: p.pid}, p.pid + ' ' + p.comm + (p.ended ? ' (ended)' : ''))));
		return el('div', {class: 'toolbar'}, el('div', {class: 'segments', role: 'group', 'aria-label': 'Metric'}, this.metricButtons), this.process, this.frameChoice(),
			el('div', {class: 'finder'}, this.search, this.share), el('div', {class: 'segments'}, this.orient, this.foldButton));
	}

	frameChoice() {
		return this.model.table.frames.some((f) => f.kind === 'python') && el('select', {'aria-label': 'Frames', onchange: (e) => this.setChoice(e.target.value)},
			Object.entries(CHOICES).map(([value, choice]) => el('option', {value}, choice.label)));
	}

	setChoice(value) {
		this.choice = CHOICES[value];
		this.rebuild();
		HF.announce(this.choice.label);
	}

	/* A new tree (other process, folding), or the first one. */
	rebuild() {
		const rows = this.pid === null ? this.allRows : this.allRows.filter((row) => row.pid === this.pid);
		this.grouped = this.pid === null && this.model.processes.length > 1 ? 1 : 0;
		this.tree = new HF.FlameTree(rows, this.model.table.frames, {
			fold: this.fold, empty: this.noStack, keep: this.choice.keep, none: this.noFrame, group: this.grouped ? (row) => this.groups.get(row.pid) ?? -1 : null,
		});
		this.weigh();
	}

	weigh() {
		const id = this.metric.id;
		this.tree.weigh((row) => row[id] || 0);
		this.view.weighed(this);
		for (const b of this.metricButtons)
			b.setAttribute('aria-pressed', String(b.dataset.metric === id));
		const empty = !(this.tree.total[0] > 0);
		this.stage.hidden = empty;
		this.note.textContent = empty ? this.view.emptyReason() : this.view.remark(this);
		this.flame.show(this.tree, this.view.total(this));
		this.flame.canvas.setAttribute('aria-label', 'Flamegraph: ' + this.summary());
		this.legend.replaceChildren(...this.view.legend(this));
		this.find();
	}

	setMetric(metric) {
		this.metric = metric;
		this.weigh();
		this.options.onmetric?.(metric.id);
		HF.announce(this.summary());
	}

	summary() {
		return this.metric.label + ', total ' + this.view.total(this);
	}

	setProcess(value) {
		this.pid = value === '' ? null : Number(value);
		if (this.process)
			this.process.value = value;
		this.rebuild();
	}

	toggleFold() {
		this.fold = !this.fold;
		this.foldButton.setAttribute('aria-pressed', String(this.fold));
		this.rebuild();
	}

	flip() {
		this.flame.setUpward(!this.flame.upward);
		this.orient.setAttribute('aria-pressed', String(this.flame.upward));
	}

	find() {
		const words = this.search.value.trim();
		this.hits = [];
		this.share.textContent = '';
		if (!words) {
			this.flame.setMatches(null);
			return;
		}
		const matches = this.model.table.matching(words);
		const found = this.tree.sumTopmost((key) => matches[key] === 1, 1000);
		this.hits = found.nodes;
		this.hit = -1;
		this.share.textContent = found.count ? HF.percent(found.total, this.tree.total[0]) + ' in ' + HF.count(found.count) + (found.count === 1 ? ' box' : ' boxes') : 'no match';
		this.flame.setMatches(matches);
		HF.announce('Search: ' + this.share.textContent);
	}

	searchKey(event) {
		if (event.key === 'Enter') {
			event.preventDefault();
			this.step(event.shiftKey ? -1 : 1);
		} else if (event.key === 'Escape') {
			this.search.value = '';
			this.find();
			this.flame.canvas.focus();
		}
	}

	/* To the next of the widest hits. */
	step(by) {
		if (!this.hits.length)
			return;
		this.hit = (this.hit + by + this.hits.length) % this.hits.length;
		this.flame.move(this.hits[this.hit]);
		this.flame.canvas.focus();
	}

	/* Selects the stack of a site or finding; changes metric and process where it would be invisible. */
	focusStack(row) {
		const target = row.site || row;
		if (this.pid !== null && this.pid !== row.pid)
			this.setProcess('');
		const at = () => this.tree.rows.findIndex((r) => r === target || r.finding === row);
		let index = at();
		if (index < 0)
			return;
		if (!(this.tree.total[this.tree.leaf[index]] > 0)) {
			const metric = this.view.metrics.find((m) => this.tree.rows[index][m.id] > 0);
			if (!metric)
				return;
			this.setMetric(metric);
			index = at();
		}
		const path = this.tree.path(this.tree.leaf[index]);
		const user = row.user >= 0 ? path.findLast((n) => this.tree.key[n] === this.model.table.frames[row.stack[row.user]].key) : undefined;
		this.flame.reset();
		this.flame.zoom(user || path[path.length - 1]);
		this.stage.scrollIntoView({block: 'nearest'});
		this.flame.canvas.focus({preventScroll: true});
	}

	zoomedTo(n) {
		this.showCrumbs(n);
		this.options.onzoom?.(n);
	}

	showCrumbs(zoomed) {
		const path = this.tree.path(zoomed);
		const shown = path.length > 5 ? [path[0], -1, ...path.slice(-3)] : path;
		const link = (n, label) => button(label, () => this.flame.zoom(n), {class: 'crumb', title: label, 'aria-current': n === zoomed ? 'true' : null});
		this.crumbs.replaceChildren();
		fill(this.crumbs, button('← Back', () => this.flame.back(), {class: 'back', disabled: !this.flame.history.length}),
			link(0, 'all'), shown.map((n) => [el('span', {'aria-hidden': 'true'}, '›'), n < 0 ? el('span', {}, '… ' + (path.length - 4) + ' more') : link(n, this.model.table.functions[this.tree.key[n]].label)]));
	}

	showTip(n, event) {
		this.tip.hidden = n < 0 || event.pointerType === 'touch';
		if (this.tip.hidden)
			return;
		const f = n > 0 && this.model.table.frames[this.tree.frame[n]];
		this.tip.replaceChildren(el('b', {}, n > 0 ? f.label : 'all'));
		fill(this.tip, f && f.file && el('div', {}, f.file + (f.line ? ':' + f.line : '')), f && f.module && el('div', {class: 'soft'}, HF.basename(f.module) + ' · ' + f.kind),
			this.view.tip(this, n).map((line) => el('div', {}, line)));
		const room = document.documentElement.clientWidth, width = this.tip.offsetWidth, height = this.tip.offsetHeight;
		this.tip.style.left = Math.max(4, Math.min(event.clientX + 14, room - width - 8)) + 'px';
		this.tip.style.top = (event.clientY + 18 + height > window.innerHeight ? event.clientY - height - 10 : event.clientY + 18) + 'px';
	}

	showDetails(n, quiet) {
		const {tree} = this;
		const f = n > 0 ? this.model.table.frames[tree.frame[n]] : null;
		const value = this.view.value(this, n);
		if (!quiet)
			HF.announce((f ? f.label : 'all') + ', ' + value + ', depth ' + tree.depth[n] + ', ' + (tree.first[n + 1] - tree.first[n]) + ' callees');
		clearTimeout(this.detailTimer);
		this.detailTimer = setTimeout(() => this.fillDetails(n, f), quiet ? 0 : 60);
	}

	fillDetails(n, f) {
		const {tree} = this;
		if (!(tree.total[0] > 0) || n >= tree.count) {
			this.details.replaceChildren();
			return;
		}
		const pair = (name, ...text) => text.some(Boolean) && [el('dt', {}, name), el('dd', {}, ...text)];
		const rows = tree.rowsThrough(n);
		this.details.replaceChildren(el('h3', {}, f ? f.label : 'all'));
		fill(this.details, el('dl', {},
			this.view.figures(this, n, f).map((figure) => pair(...figure)),
			f && [pair('Source', this.lines(n, this.view.sourceRows(rows), f)), pair('Module', f.module), pair('Build id', f.buildId && el('code', {}, f.buildId)), pair('Kind', KIND_WORDS[f.kind])],
			pair('Stacks', HF.count(rows.length)), pair('Callees', HF.count(tree.first[n + 1] - tree.first[n]))),
		f && el('div', {class: 'buttons'}, button('Copy stack', () => HF.copy(this.stackText(n))),
			f.kind !== 'synthetic' && button('Its sites', () => this.options.onfilter(f.name || f.module))));
	}

	/* Where in the function the stacks through this node were: the heaviest lines first. */
	lines(n, rows, f) {
		const sums = new Map();
		for (const row of rows) {
			const at = this.fold ? row.stack.findLastIndex((i) => this.model.table.frames[i].key === f.key) : row.stack.length - this.tree.depth[n] + this.grouped;
			const frame = this.model.table.frames[row.stack[at]];
			const place = frame && frame.file ? frame.file + (frame.line ? ':' + frame.line : '') : '';
			if (place)
				sums.set(place, (sums.get(place) || 0) + Math.max(0, row[this.metric.id] || 0));
		}
		const sorted = [...sums].sort((a, b) => b[1] - a[1]);
		if (sorted.length < 2)
			return sorted.length ? sorted[0][0] : 'not known';
		return sorted.slice(0, 6).map(([place, sum]) => el('div', {}, place + ' · ' + this.metric.format(sum))).concat(sorted.length > 6 ? el('div', {class: 'soft'}, sorted.length - 6 + ' more lines') : []);
	}

	stackText(n) {
		return this.tree.path(n).reverse().map((node, i) => HF.frameText(this.model.table.frames[this.tree.frame[node]], i)).join('\n') + '\n';
	}

	setTheme(dark) {
		this.flame.setTheme(dark);
		this.legend.replaceChildren(...this.view.legend(this));
	}
};
})(window.HF = window.HF || {});
