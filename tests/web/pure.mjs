// SPDX-License-Identifier: GPL-2.0-or-later
// What needs no browser: the page's sources, and the call tree against a naive model.
import assert from 'node:assert/strict';
import vm from 'node:vm';
import {assemble, PAGES, sources} from './assemble.mjs';
import {large, NODES, random} from './generate.mjs';
import {note, test} from './tap.mjs';

const CODE_LIMIT = 112 * 1024;

function loadTree() {
	const context = vm.createContext({window: {}, console});
	vm.runInContext(sources().scripts.find((s) => s.name === 'flame_tree.js').text, context);
	return context.window.HF.FlameTree;
}

/* Random stacks over few functions, so that recursion and shared prefixes are common. */
function randomCase(rnd) {
	const frames = Array.from({length: 1 + Math.floor(rnd() * 8)}, (_, i) => ({key: Math.floor(i / 1.5)}));
	const rows = Array.from({length: Math.floor(rnd() * 40)}, () => ({
		stack: Array.from({length: Math.floor(rnd() * 9)}, () => Math.floor(rnd() * frames.length)), value: Math.floor(rnd() * 100) - 10,
	}));
	frames.push({key: 100});
	return {frames, rows, empty: frames.length - 1};
}

/* Totals by path, added up row by row. */
function naive({frames, rows, empty}, fold) {
	const totals = new Map();
	for (const row of rows) {
		let path = (row.stack.length ? row.stack : [empty]).map((i) => frames[i].key).reverse();
		if (fold)
			path = path.filter((k, i) => i === 0 || k !== path[i - 1]);
		for (let n = 0; n <= path.length; n++) {
			const name = path.slice(0, n).join('/');
			totals.set(name, (totals.get(name) || 0) + Math.max(0, row.value));
		}
	}
	return totals;
}

const nameOf = (tree, node) => tree.path(node).map((n) => tree.key[n]).join('/');

function compare(Tree, input, fold) {
	const tree = new Tree(input.rows, input.frames, {fold, empty: input.empty});
	tree.weigh((row) => row.value);
	const totals = naive(input, fold);
	assert.equal(tree.count, Math.max(1, totals.size));
	for (let n = 0; n < tree.count; n++) {
		assert.equal(tree.total[n], totals.get(nameOf(tree, n)) || 0);
		let x = tree.x[n], previous = Infinity;
		for (let k = tree.first[n]; k < tree.first[n + 1]; k++) {
			const kid = tree.kids[k];
			assert.equal(tree.parent[kid], n);
			assert.equal(tree.x[kid], x);
			assert.ok(tree.total[kid] <= previous, 'widest first');
			x += previous = tree.total[kid];
		}
		assert.equal(x - tree.x[n] + tree.self[n], tree.total[n]);
		if (tree.total[n] > 0)
			assert.equal(tree.nodeAt(0, tree.x[n], tree.depth[n]), n);
	}
	return tree;
}

for (const page of PAGES) {
	test(`${page}: each marker stands once and no source can close its element`, () => {
		const {css, scripts} = sources(page);
		assemble('{}', page);
		assert.ok(!/<\/style/i.test(css));
		for (const {name, text} of scripts)
			assert.ok(!/<\/script|<!--|HF:/i.test(text), name);
	});

	test(`${page}: no source loads from outside, evaluates text or writes markup`, () => {
		const {html, css, scripts} = sources(page);
		const all = html + css + scripts.map((s) => s.text).join('');
		assert.ok(!/innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|import\(|XMLHttpRequest|\bfetch\(|@import|url\(/.test(all));
		assert.deepEqual(all.match(/https?:\/\/[^'"\s)]+/g), ['http://www.w3.org/2000/svg']);
	});

	test(`${page}: the page's code is at most ${CODE_LIMIT / 1024} KiB`, () => {
		const {html, css, scripts} = sources(page);
		const size = Buffer.byteLength(html + css + scripts.map((s) => s.text).join(''));
		note(`code of the ${page} page ${size} bytes`);
		assert.ok(size <= CODE_LIMIT, String(size));
	});
}

test('a page of 50,000 nodes is at most 1 MiB', () => {
	const size = Buffer.byteLength(assemble(JSON.stringify(large(NODES))));
	note(`page of 50,000 nodes ${size} bytes`);
	assert.ok(size <= 1048576, String(size));
});

test('the tree equals a naive sum over random stacks, folded and not', () => {
	const Tree = loadTree(), seed = Number(process.env.HF_SEED || 839215), rnd = random(seed);
	note('seed ' + seed);
	for (let i = 0; i < 300; i++) {
		const input = randomCase(rnd);
		compare(Tree, input, false);
		compare(Tree, input, true);
	}
});

test('a sum over matching functions counts recursion once', () => {
	const Tree = loadTree(), rnd = random(11);
	for (let i = 0; i < 200; i++) {
		const input = randomCase(rnd);
		const tree = compare(Tree, input, false);
		const wanted = new Set([0, 2]);
		const sum = input.rows.filter((row) => row.stack.some((f) => wanted.has(input.frames[f].key))).reduce((s, row) => s + Math.max(0, row.value), 0);
		assert.equal(tree.sumTopmost((key) => wanted.has(key)).total, sum);
	}
});

test('neighbours at a depth are visited left to right, each once', () => {
	const Tree = loadTree(), rnd = random(5);
	for (let i = 0; i < 100; i++) {
		const tree = compare(Tree, randomCase(rnd), false);
		for (let depth = 1; depth <= tree.bottom[0]; depth++) {
			const row = [...Array(tree.count).keys()].filter((n) => tree.depth[n] === depth && tree.total[n] > 0).sort((a, b) => tree.x[a] - tree.x[b]);
			for (let k = 0; k < row.length; k++) {
				assert.equal(tree.neighbour(row[k], 1, 0), k + 1 < row.length ? row[k + 1] : -1);
				assert.equal(tree.neighbour(row[k], -1, 0), k > 0 ? row[k - 1] : -1);
			}
		}
	}
});
