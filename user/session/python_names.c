// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/python_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/stack/python_words.h"
#include "base/hashmap.h"
#include "capture/feed/decode.h"

static uint64_t key_of(uint32_t pid, uint64_t code, uint64_t seed)
{
	return hash_u64(code ^ (uint64_t)pid << 40, seed);
}

/* The watch */

struct interpreter {
	int pid;
	struct python_runtime runtime;
};

struct seen_code {
	uint32_t pid;
	uint64_t code;
	struct python_code_mark mark;
};

struct python_watch {
	VEC(struct interpreter) interpreters;
	VEC(struct seen_code) seen;
	struct map64 by_code; /* key_of() -> index in seen */
	struct python_name_vec fresh;
	struct python_watch_counts counts;
	uint64_t memory_bytes, used_bytes;
	python_seen_fn match;
	void *match_user;
};

static void free_names(struct python_name_vec *names)
{
	for (size_t i = 0; i < names->count; i++)
		python_code_done(&names->items[i].of);
	vec_done(names);
}

int python_watch_new(uint64_t memory_bytes, struct python_watch **ret)
{
	struct python_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	watch->memory_bytes = memory_bytes;
	map64_init(&watch->by_code, hash_seed_random());
	*ret = watch;
	return 0;
}

void python_watch_free(struct python_watch *watch)
{
	if (!watch)
		return;
	free_names(&watch->fresh);
	vec_done(&watch->interpreters);
	vec_done(&watch->seen);
	map64_done(&watch->by_code);
	free(watch);
}

void python_watch_match(struct python_watch *watch, python_seen_fn seen, void *user)
{
	watch->match = seen;
	watch->match_user = user;
}

static struct interpreter *find_interpreter(struct python_watch *watch, int pid)
{
	for (size_t i = 0; i < watch->interpreters.count; i++)
		if (watch->interpreters.items[i].pid == pid)
			return &watch->interpreters.items[i];
	return NULL;
}

int python_watch_set(struct python_watch *watch, int pid, const struct python_runtime *runtime)
{
	struct interpreter *known = find_interpreter(watch, pid);

	if (!runtime && known)
		vec_remove_unordered(&watch->interpreters,
				     (size_t)(known - watch->interpreters.items));
	if (!runtime)
		return 0;
	if (!known)
		return vec_push(&watch->interpreters, (struct interpreter){pid, *runtime});
	known->runtime = *runtime;
	return 0;
}

static size_t bytes_of(const struct python_code *code)
{
	size_t bytes = sizeof(struct python_name) + sizeof(struct seen_code) + 64;

	return code->function
		       ? bytes + strlen(code->function) + strlen(code->file) + code->line_bytes
		       : bytes;
}

static int keep(struct python_watch *watch, const struct python_name *name)
{
	size_t bytes = bytes_of(&name->of);

	if (watch->used_bytes + bytes > watch->memory_bytes)
		return -ENOSPC;
	watch->used_bytes += bytes;
	return vec_push(&watch->fresh, *name);
}

/* Is it still the one that was seen? */
static int read_code(const struct interpreter *interpreter, struct seen_code *seen, uint64_t mark,
		     struct python_code *ret)
{
	int pid = interpreter->pid;
	int err = python_code_mark_read(pid, &interpreter->runtime, seen->code, &seen->mark);

	if (!err && seen->mark.mark != mark)
		err = -ESTALE;
	return err ? err
		   : python_code_read(pid, &interpreter->runtime, seen->code, &seen->mark, ret);
}

static uint32_t ask_match(const struct python_watch *watch, const struct interpreter *interpreter,
			  const struct seen_code *seen, const struct python_code *code)
{
	const struct python_seen question = {interpreter->pid, &interpreter->runtime, seen->code,
					     &seen->mark, code};

	return watch->match(watch->match_user, &question);
}

/* One that can't be read has no name, instead of that of what lay there before. */
static int read_name(struct python_watch *watch, const struct interpreter *interpreter,
		     struct seen_code *seen, uint64_t mark, uint64_t time_ns)
{
	struct python_name name = {.pid = seen->pid, .code = seen->code, .from_ns = time_ns};
	int err = read_code(interpreter, seen, mark, &name.of);

	if (err)
		watch->counts.unread++;
	else if (watch->match)
		name.of.span_rules = ask_match(watch, interpreter, seen, &name.of);
	seen->mark.mark = mark;
	err = keep(watch, &name);
	if (err) {
		watch->counts.refused++;
		python_code_done(&name.of);
		return err;
	}
	return 0;
}

static struct seen_code *find_seen(struct python_watch *watch, const struct seen_code *now)
{
	uint64_t at;
	struct seen_code *seen;

	if (!map64_get(&watch->by_code, key_of(now->pid, now->code, watch->by_code.seed), &at))
		return NULL;
	seen = &watch->seen.items[at];
	return seen->pid == now->pid && seen->code == now->code ? seen : NULL;
}

/* @words: a frame's two. */
static void note_code(struct python_watch *watch, const struct interpreter *interpreter,
		      const uint64_t *words, uint64_t time_ns)
{
	struct seen_code now = {.pid = (uint32_t)interpreter->pid,
				.code = hf_python_code(words[0])};
	struct seen_code *seen = find_seen(watch, &now);

	if (seen && seen->mark.mark == words[1])
		return;
	if (read_name(watch, interpreter, &now, words[1], time_ns))
		return;
	if (seen)
		*seen = now;
	else if (!vec_push(&watch->seen, now))
		map64_put(&watch->by_code, key_of(now.pid, now.code, watch->by_code.seed),
			  watch->seen.count - 1);
}

static void take_stack(struct python_watch *watch, const struct hf_event_stack *event)
{
	const uint64_t *words = event_stack_pcs(event);
	const struct interpreter *interpreter;

	if (!event->depth || !hf_python_is_frame(words[0]))
		return;
	interpreter = find_interpreter(watch, (int)event->h.pid);
	for (uint32_t i = 0; interpreter && i + 1 < event->depth && hf_python_is_frame(words[i]);
	     i += 2)
		note_code(watch, interpreter, words + i, event->h.time_ns);
}

static void take_fork(struct python_watch *watch, const struct hf_event_fork *event)
{
	const struct interpreter *parent = find_interpreter(watch, (int)event->h.pid);
	struct python_runtime runtime;

	if (event->h.detail & HF_FORK_THREAD || !parent)
		return;
	runtime = parent->runtime;
	python_watch_set(watch, (int)event->child_pid, &runtime);
}

void python_watch_event(struct python_watch *watch, const struct hf_event *event)
{
	if (!watch->interpreters.count)
		return;
	if (event->kind == HF_EVENT_STACK)
		take_stack(watch, (const struct hf_event_stack *)event);
	else if (event->kind == HF_EVENT_FORK)
		take_fork(watch, (const struct hf_event_fork *)event);
	else if (event->kind == HF_EVENT_EXEC ||
		 (event->kind == HF_EVENT_EXIT && event->detail & HF_EXIT_GROUP_DEAD))
		python_watch_set(watch, (int)event->pid, NULL);
}

void python_watch_take(struct python_watch *watch, struct python_name_vec *ret)
{
	*ret = watch->fresh;
	watch->fresh = (struct python_name_vec)VEC_INIT;
}

void python_watch_counts(const struct python_watch *watch, struct python_watch_counts *ret)
{
	*ret = watch->counts;
}

/* The names */

struct named_code {
	struct python_name name;
	size_t before; /* index + 1 of the one that lay there before; 0: none */
};

struct python_names {
	VEC(struct named_code) all;
	struct map64 newest; /* key_of() -> index in all */
};

int python_names_new(struct python_names **ret)
{
	struct python_names *names = calloc(1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	map64_init(&names->newest, hash_seed_random());
	*ret = names;
	return 0;
}

void python_names_free(struct python_names *names)
{
	if (!names)
		return;
	for (size_t i = 0; i < names->all.count; i++)
		python_code_done(&names->all.items[i].name.of);
	vec_done(&names->all);
	map64_done(&names->newest);
	free(names);
}

static int add_name(struct python_names *names, struct python_name *name)
{
	struct named_code fresh = {.name = *name};
	uint64_t key = key_of(name->pid, name->code, names->newest.seed), at;
	int err;

	if (map64_get(&names->newest, key, &at))
		fresh.before = at + 1;
	err = vec_push(&names->all, fresh);
	if (err)
		return err;
	name->of = (struct python_code){0};
	return map64_put(&names->newest, key, names->all.count - 1);
}

int python_names_add(struct python_names *names, struct python_name_vec *fresh)
{
	int err = 0;

	for (size_t i = 0; !err && i < fresh->count; i++)
		err = add_name(names, &fresh->items[i]);
	free_names(fresh);
	return err;
}

const struct python_code *python_names_find(const struct python_names *names,
					    const struct stack_trace *trace, uint64_t word)
{
	uint64_t code = hf_python_code(word), at;

	if (!map64_get(&names->newest, key_of(trace->pid, code, names->newest.seed), &at))
		return NULL;
	for (size_t next = at + 1; next; next = names->all.items[next - 1].before) {
		const struct python_name *name = &names->all.items[next - 1].name;

		if (name->pid == trace->pid && name->code == code &&
		    name->from_ns <= trace->first_seen_ns)
			return name->of.function ? &name->of : NULL;
	}
	return NULL;
}
