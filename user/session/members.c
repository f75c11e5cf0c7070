// SPDX-License-Identifier: GPL-2.0-or-later
/* The processes of a session: attaching to them and keeping up with what they do. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/heap/at_once.h"
#include "base/clock.h"
#include "base/log.h"
#include "session/followed.h"
#include "session/session_internal.h"
#include "session/spans.h"

#define GAUGE_SAMPLES      1024
#define CODE_TRIES         5
#define LIVES_AT_ONCE      256
#define ALLOCATOR_LOOKS    64 /* at new code and at ticks */
#define PATIENT_MAPS_TICKS 6

void member_free(struct member *member)
{
	if (!member)
		return;
	allocator_set_done(&member->allocators);
	target_free(member->target);
	gauge_free(member->gauge);
	look_done(&member->look);
	pylook_done(&member->pylook);
	watch_free(member->watch);
	followed_free(member->followed);
	vec_done(&member->watched);
	vec_done(&member->span_modules);
	look_book_done(&member->look_book);
	free(member->trouble);
	free(member);
}
DEFINE_CLEANUP(struct member *, member_free);

struct member *members_newest(const struct session *session, int pid)
{
	for (size_t i = session->members.count; i--;)
		if (session->members.items[i]->target->key.pid == pid)
			return session->members.items[i];
	return NULL;
}

/* The running member of @pid, or NULL: a pid is given anew only when its process has ended. */
static struct member *members_find(const struct session *session, int pid)
{
	struct member *member = members_newest(session, pid);

	return member && !member->ended ? member : NULL;
}

int members_running(const struct session *session)
{
	int running = 0;

	for (size_t i = 0; i < session->members.count; i++)
		running += !session->members.items[i]->ended;
	return running;
}

/* The ingest thread's copy of the maps, by which it tells page faults apart. */
struct maps_change {
	int pid;
	struct maps maps;
};

static void exchange_maps(struct accounts *accounts, void *user)
{
	struct maps_change *change = user;
	struct account *account = accounts_find(accounts, change->pid);
	struct maps before;

	if (!account)
		return;
	before = account->maps;
	account->maps = change->maps;
	change->maps = before;
}

static void send_maps(struct session *session, int pid)
{
	struct maps_change change = {.pid = pid};

	if (!session->options.faults || maps_read(pid, &change.maps))
		return;
	ingest_call(session->ingest, exchange_maps, &change);
	maps_done(&change.maps);
}

static void look_for_runtimes(struct session *session, struct member *member)
{
	pythons_update(session, member);
	javas_update(member);
}

/*
 * What code is mapped, for names and for the kernel side's walks. While code comes and goes nothing can be published; the next tick tries again, and walks end there meanwhile.
 */
static int update_code(struct session *session, struct member *member)
{
	int pid = member->target->key.pid, err = -EAGAIN;
	struct probe_code code;

	for (int i = 0; i < CODE_TRIES && err == -EAGAIN; i++) {
		code.changes = probe_code_changes(session->probe, pid);
		err = target_refresh(member->target, session->modules, &code.found);
		member->code_came |= !err && code.found.added;
		if (!err)
			err = probe_update_process(session->probe, member->target, &code);
	}
	if (member->code_came || !member->python_looked_for)
		look_for_runtimes(session, member);
	spans_update(session, member);
	return err;
}

/* What was found in another process of the same program, or in this one before. */
static const struct allocator_set *find_known(const struct session *session,
					      const struct module *program)
{
	for (size_t i = 0; i < session->members.count; i++) {
		const struct member *member = session->members.items[i];

		if (member->target->exe_module == program && member->allocators.function_count)
			return &member->allocators;
	}
	return NULL;
}

static int find_allocators(const struct session *session, const struct member *member,
			   struct allocator_set *ret, struct hf_error *error)
{
	const struct allocator_search search = {
		.specs = session->options.specs,
		.spec_count = session->options.spec_count,
		.pages = session->options.no_stop ? NULL : heap_read_at_once,
		.known = find_known(session, member->target->exe_module),
	};

	return allocator_set_find(member->target, &search, ret, error);
}

static int probe_member(struct session *session, struct member *member, struct hf_error *error)
{
	int pid = member->target->key.pid, err = probe_add_process(session->probe, pid, error);

	if (err)
		return err;
	err = update_code(session, member);
	if (err && err != -EAGAIN)
		return error_set_errno(error, HF_E_INTERNAL, -err,
				       "unwind tables of process %d can't be loaded: %s", pid,
				       strerror(-err));
	if (session_is_off(session, SESSION_NATIVE))
		return 0;
	if (!governor_probes_all(session->governor)) {
		member->probed = true;
		return 0; /* whoever called tells the governor once the member is listed */
	}
	err = probe_attach(session->probe, member->target, &member->allocators, &member->attached,
			   error);
	member->probed = !err;
	return err;
}

static int find_and_probe(struct session *session, struct member *member, struct hf_error *error)
{
	int err = find_allocators(session, member, &member->allocators, error);

	return err ? err : probe_member(session, member, error);
}

static void read_gauge(const struct session *session, struct member *member, uint64_t now_ns,
		       bool full, const struct verdict_held *held)
{
	struct sample sample;

	if (gauge_read(member->target->key.pid, now_ns, full, &sample))
		return;
	sample.heap_live_bytes = held->bytes;
	sample.heap_live_estimated = held->estimated;
	if (!session_is_off(session, SESSION_COLLECTIONS))
		pythons_read_collector(member, &sample);
	javas_read(member, &sample);
	gauge_add(member->gauge, &sample);
}

static int member_new(struct session *session, int pid, struct member **ret, struct hf_error *error)
{
	_cleanup_(member_freep) struct member *member = calloc(1, sizeof(*member));
	int err;

	if (!member)
		return error_set_errno(error, HF_E_INTERNAL, ENOMEM, "out of memory");
	look_init(&member->look);
	pylook_init(&member->pylook);
	look_book_init(&member->look_book);
	err = target_new(session->modules, pid, clock_now_ns(), &member->target, error);
	if (err)
		return err;
	err = gauge_new(GAUGE_SAMPLES, &member->gauge);
	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "out of memory");
	*ret = no_free_ptr(member);
	return 0;
}

struct account_request {
	int pid, parent_pid, err;
};

static void open_account(struct accounts *accounts, void *user)
{
	struct account_request *request = user;

	request->err = accounts_add(accounts, request->pid, request->parent_pid, clock_now_ns());
}

static uint64_t newest_rss(const struct gauge *gauge)
{
	size_t count = gauge_count(gauge);

	return count ? gauge_at(gauge, count - 1)->rss_bytes : 0;
}

int members_attach(struct session *session, int pid, struct hf_error *error)
{
	struct account_request request = {.pid = pid};
	_cleanup_(member_freep) struct member *member = NULL;
	int err = member_new(session, pid, &member, error);

	if (err)
		return err;
	request.parent_pid = member->target->parent_pid;
	err = ingest_call(session->ingest, open_account, &request);
	if (!err)
		err = request.err;
	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "no account for process %d",
				       pid);
	read_gauge(session, member, clock_now_ns(), true, &(struct verdict_held){0});
	member->held_before_bytes = newest_rss(member->gauge);
	send_maps(session, pid);
	err = find_and_probe(session, member, error);
	if (err)
		return err;
	err = vec_push(&session->members, member);
	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "out of memory");
	log_info("attached pid=%d functions=%zu emulated=%zu in %.1f ms", pid,
		 member->attached.functions, member->attached.emulated,
		 (double)member->attached.attach_ns / 1e6);
	member = NULL; /* the session's now */
	return 0;
}

static void member_exited(struct session *session, struct member *member)
{
	if (session->looked_at == member)
		looks_stop(session);
	if (session->pylooked_at == member)
		pylooks_stop(session);
	births_forget(session->births, member->target->key.pid);
	pauses_stop(session, member);
	member->ended = true;
	governor_members_changed(session->governor);
	member->target->ended_wall_ns = clock_wall_ns();
	probe_forget_process(session->probe, member->target->key.pid);
}

/* A zombie is still there, but the kernel side has forgotten it. */
static bool has_ended(const struct member *member, int err)
{
	return err == -ESRCH || process_key_check(member->target->key);
}

static void set_trouble(struct member *member, const struct hf_error *error)
{
	free(member->trouble);
	member->trouble = error ? strdup(error->what.buf) : NULL;
}

/* A child has the space of its parent until it execs; its probes need links of their own. */
static void follow_child(struct session *session, const struct life *life)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	_cleanup_(member_freep) struct member *member = NULL;
	int err;

	if (member_new(session, life->pid, &member, &error)) {
		session->children_missed++;
		log_debug("child %d is not followed: %s", life->pid, error.what.buf);
		return; /* it has ended already: what its mappings and faults told is in its account */
	}
	member->child = true;
	member->target->parent_pid = life->parent_pid;
	err = find_and_probe(session, member, &error);
	if (err && has_ended(member, err)) {
		member_exited(session, member); /* its mappings give names to what was seen */
	} else if (err) {
		set_trouble(member, &error);
	}
	member->gap_ns = clock_now_ns() - life->time_ns;
	read_gauge(session, member, clock_now_ns(), false, &(struct verdict_held){0});
	send_maps(session, life->pid);
	if (vec_push(&session->members, member))
		return;
	governor_members_changed(session->governor);
	log_info("attached pid=%d child of %d after %.1f ms", life->pid, life->parent_pid,
		 (double)member->gap_ns / 1e6);
	member = NULL;
}

/* A plugin may be gone before we could look: the event says which file it was. */
static void note_code(struct session *session, struct member *member,
		      const struct hf_event_map *map)
{
	struct target_code code = {
		.start = map->address,
		.size_bytes = map->size,
		.offset = map->offset,
		.inode = map->inode,
		.time_ns = map->h.time_ns,
		.device_major = map->device >> 20,
		.device_minor = map->device & 0xfffff,
	};
	member->code_came = true;
	if (!target_note_code(member->target, session->modules, &code)) {
		member->code_changed = true;
		return;
	}
	/* Its file is to be opened while it is there. A look that began later has seen all that there was of it. */
	if (code.time_ns > member->target->looked_ns)
		update_code(session, member);
	if (target_note_code(member->target, session->modules, &code))
		target_note_missed(member->target, session->modules, &code);
}

/* Where a file lies that was missed: names are found in it even if it is never mapped again. */
static void find_missed(struct session *session, struct member *member, const struct life *life)
{
	struct mapping file = {
		.inode = life->inode,
		.device_major = life->device >> 20,
		.device_minor = life->device & 0xfffff,
		.path = life->path,
	};
	int err = target_find_missed(member->target, session->modules, &file);

	if (err)
		log_debug_err(err, "%s was unmapped before it could be read", life->path);
}

/* The probes of before see the new program's calls, too, where it maps the same library; else they go. */
static int probe_anew(struct session *session, struct member *member, struct allocator_set *found,
		      struct hf_error *error)
{
	int pid = member->target->key.pid;
	struct allocator_set before = member->allocators;
	bool keep = member->attached.functions && allocator_set_equal(found, &before);
	int err;

	member->allocators = *found;
	allocator_set_done(&before);
	if (keep) {
		member->probed = true;
		member->gap_ns = 0;
		return 0;
	}
	probe_detach(session->probe, pid);
	member->attached = (struct probe_attached){0};
	err = probe_member(session, member, error);
	governor_members_changed(session->governor);
	member->gap_ns = clock_now_ns() - member->execed_ns;
	return err;
}

/* After an exec the dynamic linker maps the library with malloc a little later: until then none is found. */
static void look_for_allocator(struct session *session, struct member *member)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	struct allocator_set found;
	int err;

	if (!member->execed_ns || member->probed || ++member->looks > ALLOCATOR_LOOKS)
		return;
	err = find_allocators(session, member, &found, &error);
	if (!err)
		err = probe_anew(session, member, &found, &error);
	set_trouble(member, err && !has_ended(member, err) ? &error : NULL);
	if (!err)
		log_info("attached pid=%d after its exec, gap %.1f ms", member->target->key.pid,
			 (double)member->gap_ns / 1e6);
}

static uint64_t mapped_since_ns(const struct target *target, const struct module *module)
{
	uint64_t since_ns = UINT64_MAX;

	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *m = &target->mappings[i];

		if (m->module == module && m->until_ns == UINT64_MAX && m->from_ns < since_ns)
			since_ns = m->from_ns;
	}
	return since_ns;
}

static void note_late(struct member *member)
{
	const struct allocator_set *set = &member->allocators;
	uint64_t now_ns = clock_now_ns(), since_ns;

	for (size_t i = set->first_new; i < set->function_count; i++) {
		since_ns = mapped_since_ns(member->target, set->functions[i].module);
		if (since_ns < now_ns && now_ns - since_ns > member->late_gap_ns)
			member->late_gap_ns = now_ns - since_ns;
	}
	member->late_count++;
	log_info("attached pid=%d %zu functions of %s that came later", member->target->key.pid,
		 set->function_count - set->first_new,
		 set->allocators[set->functions[set->first_new].allocator].name);
}

/* A library that brings an allocator of its own may be loaded at any time. */
static void look_for_more(struct session *session, struct member *member)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	struct probe_attached added = {0};
	struct allocator_set found;

	if (!member->probed || !member->code_came)
		return;
	member->code_came = false;
	if (find_allocators(session, member, &found, &error) ||
	    allocator_set_add(&member->allocators, &found) ||
	    member->allocators.first_new == member->allocators.function_count)
		return;
	if (!governor_probes_all(session->governor)) {
		governor_members_changed(session->governor);
		note_late(member);
		return;
	}
	if (probe_attach(session->probe, member->target, &member->allocators, &added, &error)) {
		log_warn("process %d: an allocator that came later is not traced: %s",
			 member->target->key.pid, error.what.buf);
		member->attached.skipped +=
			member->allocators.function_count - member->allocators.first_new;
		return;
	}
	member->attached.functions += added.functions;
	member->attached.emulated += added.emulated;
	member->attached.skipped += added.skipped;
	note_late(member);
}

static void member_execed(struct session *session, struct member *member, const struct life *life)
{
	member->probed = false;
	member->execed_ns = life->time_ns;
	pylooks_forget(session, member);
	births_forget(session->births, member->target->key.pid);
	pauses_stop(session, member);
	pythons_forget(member);
	spans_forget(session, member);
	javas_forget(member);
	member->looks = 0;
	looks_forget(session, member);
	governor_forget_member(session->governor, member);
	target_execed(member->target, life->time_ns);
	update_code(session, member);
	target_refresh_names(member->target);
	look_for_allocator(session, member);
	governor_members_changed(session->governor);
	send_maps(session, life->pid);
}

static void take_life(struct session *session, const struct life *life)
{
	struct member *member = members_find(session, life->pid);

	if (life->kind == LIFE_FORKED && !member)
		follow_child(session, life);
	if (!member)
		return;
	if (life->kind == LIFE_CODE_CHANGED) {
		note_code(session, member, &life->code);
		look_for_allocator(session, member);
	} else if (life->kind == LIFE_FILE_TOLD) {
		find_missed(session, member, life);
	} else if (life->kind == LIFE_EXECED) {
		member_execed(session, member, life);
	} else if (life->kind == LIFE_EXITED) {
		member_exited(session, member);
	}
}

static void publish_code(struct session *session)
{
	for (size_t i = 0; i < session->members.count; i++) {
		struct member *member = session->members.items[i];

		if (member->code_changed && !member->ended)
			update_code(session, member);
		member->code_changed = false;
	}
}

static void take_lives(struct session *session, size_t most)
{
	struct life *life;

	for (size_t i = 0; i < most && (life = mailbox_take(session->lives)); i++) {
		take_life(session, life);
		free(life);
	}
	publish_code(session);
}

void members_take_lives(struct session *session)
{
	take_lives(session, SIZE_MAX);
}

/* Some at a time: a process that maps code without end must not keep the session from all else, nor from its end. */
int members_on_life(void *user, uint32_t events)
{
	struct session *session = user;

	(void)events;
	take_lives(session, LIVES_AT_ONCE);
	if (!members_running(session)) {
		session->end = SESSION_ALL_ENDED;
		loop_stop(session->loop, 1);
	}
	return 0;
}

struct held_request {
	const struct member *member;
	struct verdict_held held;
};

static void read_held(struct accounts *accounts, void *user)
{
	struct held_request *request = user;
	const struct member *member = request->member;
	const struct account *account = accounts_find(accounts, member->target->key.pid);

	if (account && verdict_held(account->ledger, &member->look.evidence, &request->held))
		log_debug("no memory to say what process %d holds", account->pid);
}

/*
 * New code is told by events, at once. Of that of one whose events were lost a patient session learns later, for its maps are
 * half of what a tick costs.
 */
static bool reads_maps(const struct session *session, const struct member *member)
{
	return !session->options.patient || session->tick_count % PATIENT_MAPS_TICKS == 1 ||
	       !member->probed ||
	       probe_code_changes(session->probe, member->target->key.pid) != member->code_changes;
}

void members_refresh(struct session *session, uint64_t now_ns, bool full)
{
	for (size_t i = 0; i < session->members.count; i++) {
		struct member *member = session->members.items[i];
		struct held_request request = {.member = member};

		if (member->ended)
			continue;
		if (process_key_check(member->target->key)) {
			/* Its exit event was lost, or is still on its way. */
			member_exited(session, member);
			continue;
		}
		if (full || reads_maps(session, member)) {
			member->code_changes =
				probe_code_changes(session->probe, member->target->key.pid);
			update_code(session, member);
			send_maps(session, member->target->key.pid);
		}
		look_for_allocator(session, member);
		look_for_more(session, member);
		ingest_call(session->ingest, read_held, &request);
		pauses_read(session, member);
		read_gauge(session, member, now_ns, full, &request.held);
	}
}
