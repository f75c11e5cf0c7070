// SPDX-License-Identifier: GPL-2.0-or-later
// The Test Anything Protocol: test(name, body) queues, run() prints. A body that throws has failed.
const queue = [];

export const test = (name, body) => queue.push({name, body});
export const note = (text) => process.stdout.write('# ' + text + '\n');

/* `skip`: a reason not to run anything of this queue, or ''. Continues the numbering; returns the count of failures. HF_TEST: only those whose name has it. */
let number = 0;
export async function run(skip) {
	let failed = 0;
	for (const {name, body} of queue.splice(0)) {
		if (process.env.HF_TEST && !name.includes(process.env.HF_TEST))
			continue;
		number++;
		if (skip) {
			process.stdout.write(`ok ${number} - ${name} # SKIP ${skip}\n`);
			continue;
		}
		try {
			await body();
			process.stdout.write(`ok ${number} - ${name}\n`);
		} catch (e) {
			failed++;
			process.stdout.write(`not ok ${number} - ${name}\n` + String(e.stack || e).split('\n').slice(0, 12).map((l) => '#   ' + l + '\n').join(''));
		}
	}
	return failed;
}

export const plan = () => process.stdout.write(`1..${number}\n`);
