// SPDX-License-Identifier: GPL-2.0-or-later
// From the embedded bytes to checked frames and stacks. All is foreign: each field is coerced, each index bounded.
(function (HF) {
'use strict';

const MAX_JSON_BYTES = 512 * 1024 * 1024;
const MAX_DEPTH = 1024;
const KINDS = ['native', 'inlined', 'python', 'kernel', 'jit', 'unknown'];
const {num, text, list, map} = HF;

/* The JSON text out of the data element; throws an Error whose message is for the reader. */
async function unpack(base64) {
	if (typeof DecompressionStream !== 'function')
		throw new Error('This browser cannot unpack the data (it lacks DecompressionStream). Use Firefox 113, Chrome 80, Safari 16.4 or newer.');
	const binary = atob(base64);
	const bytes = new Uint8Array(binary.length);
	for (let i = 0; i < binary.length; i++)
		bytes[i] = binary.charCodeAt(i);
	const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')).getReader();
	const parts = [];
	for (let size = 0; ;) {
		const {done, value} = await reader.read();
		if (done)
			break;
		size += value.length;
		if (size > MAX_JSON_BYTES)
			throw new Error('The data unpack to more than 512 MiB; this page does not go further.');
		parts.push(value);
	}
	return new Blob(parts).text();
}

/* Interns frames: an index for each distinct frame, a key for each function (what the flamegraph merges). */
HF.FrameTable = class {
	/* naming: label(frame); identity(frame), equal for frames of one function. */
	constructor(naming) {
		this.naming = naming;
		this.frames = [];
		this.functions = [];
		this.byIdentity = new Map();
		this.byKey = new Map();
	}

	/* functions[key] is the first frame seen of that function. */
	key(frame, identity) {
		let key = this.byKey.get(identity);
		if (key === undefined) {
			key = this.functions.length;
			this.byKey.set(identity, key);
			this.functions.push(frame);
		}
		return key;
	}

	/* One flag per function: does its name, file or module contain the words? */
	matching(words) {
		const needle = words.toLowerCase();
		const hit = new Uint8Array(this.functions.length);
		for (const f of this.frames)
			if (!hit[f.key] && (f.label + '\n' + f.file + '\n' + f.module).toLowerCase().includes(needle))
				hit[f.key] = 1;
		return hit;
	}

	/* The index of a foreign frame; equal frames share one. */
	add(raw) {
		const f = map(raw);
		return this.intern({
			name: text(f.function), file: text(f.file), line: Math.max(0, Math.trunc(num(f.line))), module: text(f.module),
			buildId: text(f.build_id, 80), address: typeof f.address === 'number' ? '0x' + f.address.toString(16) : text(f.address, 32),
			kind: KINDS.includes(f.kind) ? f.kind : 'unknown',
		});
	}

	/* A box that is no frame: a process, a type, the missing stack. No foreign frame can have this kind. */
	synthetic(label) {
		return this.intern({name: label, file: '', line: 0, module: '', buildId: '', address: '', kind: 'synthetic'});
	}

	intern(frame) {
		const identity = [frame.name, frame.file, frame.line, frame.module, frame.kind, frame.address].join('\u0000');
		const known = this.byIdentity.get(identity);
		if (known !== undefined)
			return known;
		frame.label = this.naming.label(frame);
		frame.key = this.key(frame, this.naming.identity(frame));
		frame.support = support(frame);
		this.frames.push(frame);
		this.byIdentity.set(identity, this.frames.length - 1);
		return this.frames.length - 1;
	}
};

// For reports that do not say (own_frame): not the libraries' and interpreters' own code, not an allocator or its wrapper.
const SUPPORT_MODULE = /^(libc\.so|libc-2\.|libstdc\+\+|libc\+\+(abi)?\.so|libgcc_s\.so|ld-(linux|musl|2\.)|libpthread|libm\.so|libdl\.so|lib(jemalloc|tcmalloc|mimalloc|python|ruby|luajit|duma|efence)|lib(perl|node|jvm|asan)\.so|\[vdso\]|\[vsyscall\]|python[23]|perl5)/;
const SUPPORT_FUNCTION = /^(std::|__gnu_cxx::|operator new|__cxxabiv1::|alloc::alloc::|__rust_)|^([xz]?(m|c|re)alloc|x?strn?dup|reallocarray|(posix_)?memalign|p?valloc|aligned_alloc|g_(malloc0?|malloc_n|realloc|strdup|slice_alloc)|CRYPTO_(m|re)alloc|__libc_(m|c)alloc|_start|__libc_start_(main|call_main)|mmap(64)?|mremap|s?brk)$/;

/* 0: the reader's own code; 1: of a library named above; 2: an allocator's, or its wrapper's. */
function support(f) {
	if (SUPPORT_FUNCTION.test(f.name))
		return 2;
	return (f.kind === 'python' ? /^<frozen|\/lib\/python3/.test(f.file) : f.kind === 'kernel' || /\/lib\/python3/.test(f.module) || SUPPORT_MODULE.test(HF.basename(f.module))) ? 1 : 0;
}

/* Index in `stack` of the first frame that is the reader's own: what the report says, else by the rule above; -1 for an empty stack. */
HF.ownFrame = function (said, stack, frames) {
	if (Number.isInteger(said) && said >= 0 && said < stack.length)
		return said;
	const own = stack.findIndex((i) => frames[i].support === 0);
	return own >= 0 || !stack.length ? own : Math.max(0, stack.findIndex((i) => frames[i].support === 1));
};

HF.readStack = function (raw, resolve) {
	const stack = [];
	const items = list(raw), depth = Math.min(items.length, MAX_DEPTH);
	for (let i = 0; i < depth; i++) {
		const index = resolve(items[i]);
		if (index >= 0)
			stack.push(index);
	}
	return stack;
};

/* The named fields, each through the same coercion, added to `object`. */
HF.take = function (object, raw, names, coerce) {
	for (const name of names)
		object[name] = coerce(raw[name]);
	return object;
};

HF.loadData = async function (element) {
	const json = await unpack(element.textContent);
	try {
		return JSON.parse(json);
	} catch (e) {
		throw new Error('The embedded data are damaged: ' + text(e.message, 200));
	}
};

/* The data if it is of the page's schema; else throws an Error for the reader. */
HF.checkSchema = function (raw, schema) {
	const r = map(raw);
	if (r.schema !== schema)
		throw new Error('This page shows ' + schema + '; the data calls itself “' + text(r.schema, 60) + '”.');
	return r;
};
})(window.HF = window.HF || {});
