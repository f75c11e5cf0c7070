// SPDX-License-Identifier: GPL-2.0-or-later
// Questions in a <dialog>: the browser keeps the focus in it, Escape is no.
const {HF} = window;
const {el, fill} = HF;

let number = 0;

function open(title, body, buttons) {
	const id = 'dialog-' + ++number;
	const dialog = el('dialog', {'aria-labelledby': id}, el('h2', {id}, title), body, el('div', {class: 'buttons'}, buttons));
	document.body.append(dialog);
	dialog.addEventListener('close', () => dialog.remove());
	dialog.showModal();
	return dialog;
}

/* Shows something to read. */
export function tell(title, ...body) {
	const close = HF.button('Close', () => dialog.close());
	const dialog = open(title, el('div', {}, ...body), [close]);
	close.focus();
}

/*
 * Asks for values: fields [{name, label, type: text|textarea|checkbox|number|password, value, help, required, maxlength}]; `words` above them.
 * Gives an object by name, or null: the reader would rather not. Without fields it is a confirmation.
 */
export function ask({title, words, fields, action, danger}) {
	return new Promise((done) => {
		const inputs = (fields || []).map((field) => ({field, input: inputOf(field)}));
		const form = el('form', {}, (words || []).map((p) => el('p', {}, p)), inputs.map(({field, input}) => rowOf(field, input)));
		let values = null;
		form.addEventListener('submit', (e) => {
			e.preventDefault();
			values = Object.fromEntries(inputs.map(({field, input}) => [field.name, valueOf(field, input)]));
			dialog.close();
		});
		const yes = HF.button(action, () => form.requestSubmit(), {class: danger ? 'danger' : 'primary'});
		const no = HF.button('Cancel', () => dialog.close());
		const dialog = open(title, form, [yes, no]);
		dialog.addEventListener('close', () => done(values));
		(inputs.length ? inputs[0].input : no).focus();
	});
}

function inputOf(field) {
	const common = {name: field.name, id: 'field-' + field.name, required: field.required, maxlength: field.maxlength, min: field.min, max: field.max, 'aria-describedby': field.help ? 'help-' + field.name : null, autocomplete: 'off'};
	const input = field.type === 'textarea' ? el('textarea', {...common, rows: 3}) : el('input', {...common, type: field.type || 'text'});
	if (field.type === 'checkbox')
		input.checked = Boolean(field.value);
	else
		input.value = field.value ?? '';
	return input;
}

function rowOf(field, input) {
	const label = el('label', {for: input.id}, field.label);
	const row = el('div', {class: 'field ' + (field.type || 'text')});
	fill(row, field.type === 'checkbox' ? [input, label] : [label, input], field.help && el('p', {class: 'note', id: 'help-' + field.name}, field.help));
	return row;
}

const valueOf = (field, input) => field.type === 'checkbox' ? input.checked : field.type === 'number' ? Number(input.value) : input.value.trim();
