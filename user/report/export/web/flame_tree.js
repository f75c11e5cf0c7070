// SPDX-License-Identifier: GPL-2.0-or-later
// The call tree under the flamegraph: flat arrays, no DOM. Node 0 is the root; a parent always has a smaller number than its children.
(function (HF) {
'use strict';

HF.FlameTree = class {
	/*
	 * rows: [{stack: [frame index, leaf first]}]; frames: [{key}]: frames of equal key are one function.
	 * options: fold (a function that calls itself directly is one box), group(row) → a frame index put above the stack, or -1,
	 * empty: frame index that stands for a stack of no frames; keep(frame): which are shown (default: all), none: as empty, where none of a stack's are.
	 */
	constructor(rows, frames, options) {
		this.rows = rows;
		this.parent = [0];
		this.key = [-1];
		this.frame = [-1];
		this.depth = [0];
		this.folds = new Map();
		this.leaf = new Int32Array(rows.length);
		this.index = new Map();
		this.keyCount = 1 + frames.reduce((max, f) => Math.max(max, f.key), 0);
		for (let r = 0; r < rows.length; r++)
			this.leaf[r] = this.insert(rows[r], frames, options);
		this.index = null;
		this.count = this.parent.length;
		this.x = new Float64Array(this.count);
		this.linkChildren();
	}

	insert(row, frames, options) {
		const group = options.group ? options.group(row) : -1;
		let node = group >= 0 ? this.child(0, frames[group].key, group) : 0;
		const stack = options.keep ? row.stack.filter((i) => options.keep(frames[i])) : row.stack;
		if (!stack.length) {
			const instead = row.stack.length ? options.none : options.empty;
			return this.child(node, frames[instead].key, instead);
		}
		for (let i = stack.length - 1, run = 1; i >= 0; i--) {
			const key = frames[stack[i]].key;
			if (options.fold && key === this.key[node]) {
				this.folds.set(node, Math.max(this.folds.get(node) || 0, ++run));
				continue;
			}
			run = 1;
			node = this.child(node, key, stack[i]);
		}
		return node;
	}

	child(parent, key, frame) {
		const name = parent * this.keyCount + key;
		let node = this.index.get(name);
		if (node === undefined) {
			node = this.parent.length;
			this.index.set(name, node);
			this.parent.push(parent);
			this.key.push(key);
			this.frame.push(frame);
			this.depth.push(this.depth[parent] + 1);
		}
		return node;
	}

	/* Children of n are kids[first[n]] … kids[first[n + 1] - 1]. */
	linkChildren() {
		this.first = new Int32Array(this.count + 1);
		this.kids = new Int32Array(Math.max(0, this.count - 1));
		for (let n = 1; n < this.count; n++)
			this.first[this.parent[n] + 1]++;
		for (let n = 0; n < this.count; n++)
			this.first[n + 1] += this.first[n];
		const next = this.first.slice();
		for (let n = 1; n < this.count; n++)
			this.kids[next[this.parent[n]]++] = n;
	}

	/* Of value(row) ≥ 0: what each node has itself, and with all below it. */
	sums(value) {
		const self = new Float64Array(this.count);
		for (let r = 0; r < this.rows.length; r++)
			self[this.leaf[r]] += Math.max(0, value(this.rows[r]));
		const total = self.slice();
		for (let n = this.count - 1; n > 0; n--)
			total[this.parent[n]] += total[n];
		return {self, total};
	}

	/* Weighs the tree by value(row) ≥ 0: totals, widest child first, position of each box. */
	weigh(value) {
		Object.assign(this, this.sums(value));
		this.bottom = Int32Array.from(this.depth);
		for (let n = this.count - 1; n > 0; n--)
			if (this.total[n] > 0)
				this.bottom[this.parent[n]] = Math.max(this.bottom[this.parent[n]], this.bottom[n]);
		const wider = (a, b) => this.total[b] - this.total[a] || a - b;
		for (let n = 0; n < this.count; n++) {
			if (this.first[n + 1] - this.first[n] > 1)
				this.kids.subarray(this.first[n], this.first[n + 1]).sort(wider);
			let x = this.x[n];
			for (let k = this.first[n]; k < this.first[n + 1]; k++) {
				this.x[this.kids[k]] = x;
				x += this.total[this.kids[k]];
			}
		}
	}

	/* From the root's child down to the node. */
	path(node) {
		const path = [];
		for (; node > 0; node = this.parent[node])
			path.push(node);
		return path.reverse();
	}

	within(node, ancestor) {
		while (node > ancestor)
			node = this.parent[node];
		return node === ancestor;
	}

	/* Sum over the topmost nodes that match: recursion is counted once. Returns {total, count, nodes: first `limit`}. */
	sumTopmost(matches, limit) {
		const covered = new Uint8Array(this.count);
		const result = {total: 0, count: 0, nodes: []};
		for (let n = 1; n < this.count; n++) {
			const above = covered[this.parent[n]];
			const hit = matches(this.key[n]);
			covered[n] = above || hit ? 1 : 0;
			if (!hit || !(this.total[n] > 0))
				continue;
			result.count++;
			if (!above) {
				result.total += this.total[n];
				result.nodes.push(n);
			}
		}
		result.nodes.sort((a, b) => this.total[b] - this.total[a]);
		if (limit)
			result.nodes.length = Math.min(result.nodes.length, limit);
		return result;
	}

	/* Rows whose stack passes through the node. */
	rowsThrough(node) {
		const rows = [];
		for (let r = 0; r < this.rows.length; r++)
			if (this.within(this.leaf[r], node))
				rows.push(this.rows[r]);
		return rows;
	}

	/* The node under x (in value units) at a depth, looking below `top`; -1 if there is none. */
	nodeAt(top, x, depth) {
		let node = top;
		while (this.depth[node] < depth) {
			let lo = this.first[node], hi = this.first[node + 1] - 1, found = -1;
			while (lo <= hi) {
				const mid = (lo + hi) >> 1, kid = this.kids[mid];
				if (x < this.x[kid])
					hi = mid - 1;
				else if (x >= this.x[kid] + this.total[kid])
					lo = mid + 1;
				else {
					found = kid;
					break;
				}
			}
			if (found < 0)
				return -1;
			node = found;
		}
		return node;
	}

	/* The next box with a value at the same depth, to the left (-1) or right (1); -1 at the edge. */
	neighbour(node, step, top) {
		const depth = this.depth[node];
		let up = node;
		while (up > top) {
			const parent = this.parent[up];
			let k = this.kids.indexOf(up, this.first[parent]) + step;
			for (; k >= this.first[parent] && k < this.first[parent + 1]; k += step) {
				const found = this.edge(this.kids[k], depth, step);
				if (found >= 0)
					return found;
			}
			up = parent;
		}
		return -1;
	}

	/* Below `node`, the box at `depth` that comes first when walking in direction `step`. */
	edge(node, depth, step) {
		if (!(this.total[node] > 0) || this.bottom[node] < depth)
			return -1;
		if (this.depth[node] === depth)
			return node;
		const first = this.first[node], last = this.first[node + 1] - 1;
		for (let k = step > 0 ? first : last; k >= first && k <= last; k += step) {
			const found = this.edge(this.kids[k], depth, step);
			if (found >= 0)
				return found;
		}
		return -1;
	}
};
})(window.HF = window.HF || {});
