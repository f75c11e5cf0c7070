/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes wrong around the store: another agent, rights, a full disk, damaged bytes, a kill at any moment. It always opens,
 * says what it lost, and loses no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "agent/store/events.h"
#include "agent/store/leaks.h"
#include "agent/store/profiles.h"
#include "agent/store/sessions.h"
#include "agent/store/snapshots.h"
#include "base/cleanup.h"
#include "base/fileio.h"
#include "base/log.h"
#include "base/random.h"
#include "store_fixture.h"

static int open_store(struct store_fixture *f, struct hf_error *err)
{
	f->options.directory = f->directory;
	return store_open(&f->options, &f->store, err);
}

/* In a child: another process. Its exit status is 0 if the store is refused as it should be. */
static void try_to_open(struct store_fixture *f, int pid)
{
	_cleanup_(error_done) struct hf_error err = HF_ERROR_INIT;
	char words[64];
	int code = open_store(f, &err);

	snprintf(words, sizeof(words), "pid %d", pid);
	_exit(code == -EBUSY && err.code == HF_E_PERM && strstr(err.why.buf, words) ? 0 : 1);
}

static void two_agents_do_not_share(void **state)
{
	struct store_fixture f = {0};
	int status, pid;

	(void)state;
	fixture_begin(&f);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		try_to_open(&f, getppid());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* nor does the lock outlive the agent in a child of it */
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	fixture_reopen(&f);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	fixture_end(&f);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 0777;
}

static void files_are_private(void **state)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	static const char *const names[] = {"holdfast.db", "holdfast.db-wal", "holdfast.db-shm",
					    "holdfast.lock"};
	struct store_fixture f = {0};
	mode_t old = umask(0);

	(void)state;
	fixture_begin(&f);
	store_close(f.store);
	fixture_remove(&f);
	fixture_open(&f);
	fixture_target(&f, 1);
	assert_int_equal(store_commit(f.store), 0);
	assert_int_equal(mode_of(f.directory), 0700);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		fixture_path(&f, names[i], &path);
		assert_int_equal(mode_of(path.buf), 0600);
	}
	assert_string_equal(strrchr(store_path(f.store), '/'), "/holdfast.db");
	store_close(f.store);
	fixture_path(&f, "holdfast.db", &path);
	assert_int_equal(chmod(path.buf, 0666), 0);
	fixture_open(&f);
	assert_int_equal(mode_of(path.buf), 0600);
	fixture_end(&f);
	umask(old);
}

static void bad_places_are_refused(void **state)
{
	_cleanup_(error_done) struct hf_error err = HF_ERROR_INIT;
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	struct store_fixture f = {0};

	(void)state;
	fixture_begin(&f);
	store_close(f.store);
	assert_int_equal(chmod(f.directory, 0777), 0);
	assert_int_equal(open_store(&f, &err), -EPERM);
	assert_non_null(strstr(err.why.buf, "everybody"));
	assert_int_equal(chmod(f.directory, 0700), 0);
	fixture_path(&f, "holdfast.db", &path);
	assert_int_equal(unlink(path.buf), 0);
	assert_int_equal(symlink("/etc/passwd", path.buf), 0);
	assert_int_equal(open_store(&f, &err), -ELOOP);
	assert_int_equal(unlink(path.buf), 0);
	fixture_remove(&f);
	f.options.read_only = true;
	assert_int_equal(open_store(&f, &err), -ENOENT);
	assert_int_equal(err.code, HF_E_NOFILE);
	f.options.read_only = false;
	snprintf(f.directory, sizeof(f.directory), "/nowhere/at/all");
	assert_int_equal(open_store(&f, &err), -ENOENT);
}

static void add_event(struct store_fixture *f, uint64_t *ret_id)
{
	struct store_event event = {.time_ns = T0, .kind = "x", .text = "text"};

	assert_int_equal(store_add_event(f->store, &event, ret_id), 0);
}

/* Something of everything. What fails must say why. */
static void use(struct store_fixture *f, uint64_t number)
{
	struct store_target target = {.pid = 1 + (int32_t)(number % 7), .start_time_ns = 1};
	struct store_site sites[20] = {{.stack = number}};
	struct store_snapshot snapshot = {.target = 1, .time_ns = T0 + number, .sites = sites};
	struct store_stack stack = {number, "main;f;g", 8};
	struct store_profile profile = {
		.target = 1, .time_ns = T0, .bytes = "gzip", .size_bytes = 4};
	struct store_leak leak = {.leak_id = "0123456789abcdef", .target = 1, .active = true};
	struct store_session session = {.session_id = "0123456789abcdef", .target = 1};
	struct store_sample samples[10];
	uint64_t id;

	for (uint64_t i = 0; i < 10; i++)
		samples[i] = fixture_sample(1 + i % 3, T0 + (number * 10 + i) * S_NS);
	for (uint64_t i = 1; i < 20; i++)
		sites[i] = (struct store_site){.stack = i * number, .outstanding_bytes = i};
	snapshot.site_count = 20;
	(void)store_put_target(f->store, &target, &id);
	(void)store_add_samples(f->store, samples, 10);
	(void)store_put_stacks(f->store, 1, &stack, 1);
	(void)store_add_snapshot(f->store, &snapshot, &id);
	(void)store_add_profile(f->store, &profile, &id);
	(void)store_put_leak(f->store, &leak);
	(void)store_put_session(f->store, &session);
	add_event(f, &id);
	(void)store_commit(f->store);
	(void)store_retain(f->store, T0 + number * 10 * S_NS, f->monotonic_ns += S_NS, NULL);
}

static int take_nothing(void *context, const struct store_snapshot *snapshot)
{
	*(uint64_t *)context += snapshot->site_count;
	return 0;
}

/* All that can be read. Errors are fine, crashes are not. */
static void read_all(struct store_fixture *f)
{
	struct store_targets targets;
	struct store_series series;
	struct store_profiles profiles;
	struct store_leaks leaks;
	struct store_sessions sessions;
	struct store_events events;
	struct store_statistics statistics;
	uint64_t count = 0;
	void *bytes;
	size_t size;

	if (!store_list_targets(f->store, &(struct store_target_query){.limit = 9}, &targets))
		store_targets_done(&targets);
	for (uint64_t target = 0; target < 4; target++) {
		struct store_sample_query query = {.target = target};
		struct store_snapshot_query snapshots = {.target = target};

		if (!store_read_samples(f->store, &query, &series))
			store_series_done(&series);
		(void)store_read_snapshots(f->store, &snapshots, take_nothing, &count);
	}
	if (!store_list_profiles(f->store, &(struct store_profile_query){0}, &profiles))
		store_profiles_done(&profiles);
	for (uint64_t id = 1; id < 5; id++)
		if (!store_read_profile(f->store, id, &profiles))
			store_profiles_done(&profiles);
	if (!store_list_leaks(f->store, &(struct store_leak_query){0}, &leaks))
		store_leaks_done(&leaks);
	if (!store_list_sessions(f->store, &(struct store_session_query){0}, &sessions))
		store_sessions_done(&sessions);
	if (!store_list_events(f->store, &(struct store_event_query){0}, &events))
		store_events_done(&events);
	for (uint64_t hash = 1; hash < 20; hash++)
		if (!store_read_stack(f->store, 1, hash, &bytes, &size))
			free(bytes);
	(void)store_statistics(f->store, &statistics);
}

struct image {
	char *bytes;
	size_t size;
};

static void save(const struct store_fixture *f, const char *name, struct image *image)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;

	fixture_path(f, name, &path);
	assert_int_equal(file_read(path.buf, 64 << 20, &image->bytes, &image->size), 0);
}

static void restore(const struct store_fixture *f, const char *name, const struct image *image)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;

	fixture_path(f, name, &path);
	assert_int_equal(file_write(path.buf, image->bytes, image->size), 0);
}

static void clear(const struct store_fixture *f)
{
	fixture_remove(f);
	assert_int_equal(mkdir(f->directory, 0700), 0);
}

static void flip(struct image *image, uint64_t *random, int count)
{
	for (int i = 0; i < count; i++) {
		uint64_t r = random_next(random) >> 10;
		/* headers of pages more often than their share */
		size_t at = r % 3 ? r % image->size : r / 3 % image->size / 4096 * 4096 + r % 24;

		image->bytes[at < image->size ? at : 0] ^= (char)(1 << r % 8);
	}
}

/* Opens, whatever the file is; then all works. */
static void open_and_use(struct store_fixture *f, uint64_t round)
{
	uint64_t first, second;

	fixture_open(f);
	read_all(f);
	use(f, 100 + round);
	read_all(f);
	use(f, 101 + round);
	/* by now damage that hinders was met */
	add_event(f, &first);
	add_event(f, &second);
	assert_true(second > first);
	store_close(f->store);
	f->store = NULL;
}

static void flipped_bytes_never_stop_it(void **state)
{
	struct store_fixture f = {0};
	struct image file, damaged;
	uint64_t random = 88172645463325252u;
	size_t aside = 0;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	fixture_begin(&f);
	for (uint64_t i = 0; i < 60; i++)
		use(&f, i);
	store_close(f.store);
	save(&f, "holdfast.db", &file);
	assert_true(file.size > 100000);
	damaged = file;
	damaged.bytes = malloc(file.size);
	assert_non_null(damaged.bytes);
	for (uint64_t round = 0; round < 200; round++) {
		memcpy(damaged.bytes, file.bytes, file.size);
		flip(&damaged, &random, round % 4 ? 1 : 40);
		clear(&f);
		restore(&f, "holdfast.db", &damaged);
		open_and_use(&f, round);
		aside += fixture_files(&f, "damaged") > 0;
	}
	/* some are only a blob's, or of no consequence */
	assert_true(aside > 60);
	free(damaged.bytes);
	free(file.bytes);
	fixture_remove(&f);
	log_set_level(LOG_LEVEL_WARN);
}

static void flipped_bytes_of_the_log_never_stop_it(void **state)
{
	struct store_fixture f = {0};
	struct image file, log, damaged;
	uint64_t random = 4101842887655102017u;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	fixture_begin(&f);
	for (uint64_t i = 0; i < 10; i++)
		use(&f, i);
	/* as a kill leaves it */
	save(&f, "holdfast.db", &file);
	save(&f, "holdfast.db-wal", &log);
	store_close(f.store);
	damaged = log;
	damaged.bytes = malloc(log.size);
	assert_non_null(damaged.bytes);
	for (uint64_t round = 0; round < 60; round++) {
		memcpy(damaged.bytes, log.bytes, log.size);
		flip(&damaged, &random, round % 4 ? 1 : 40);
		clear(&f);
		restore(&f, "holdfast.db", &file);
		restore(&f, "holdfast.db-wal", &damaged);
		open_and_use(&f, round);
	}
	free(damaged.bytes);
	free(log.bytes);
	free(file.bytes);
	fixture_remove(&f);
	log_set_level(LOG_LEVEL_WARN);
}

static void what_is_no_database_is_set_aside(void **state)
{
	/* less than a header of a database is as good as nothing */
	static const char empty[1], text[1000] = "not a database, but as long as one";
	static const struct image contents[] = {{(char *)empty, 0}, {(char *)text, sizeof(text)}};
	struct store_fixture f = {0};
	struct store_state told;
	uint64_t id;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	fixture_begin(&f);
	for (size_t i = 0; i < 2; i++) {
		store_close(f.store);
		clear(&f);
		restore(&f, "holdfast.db", &contents[i]);
		fixture_open(&f);
		told = fixture_state(&f);
		assert_int_equal(told.damaged_files, i > 0);
		assert_int_equal(fixture_files(&f, "damaged") > 0, i > 0);
		assert_string_equal(told.text, "ok");
		if (i) {
			assert_non_null(strstr(told.set_aside, "holdfast.db.damaged-20"));
			/* ids that nobody had before, as far as one can tell */
			add_event(&f, &id);
			assert_true(id > 1000000);
		}
	}
	fixture_end(&f);
	log_set_level(LOG_LEVEL_WARN);
}

/* All pages but the first, so that what is cached is of no use for long. */
static void destroy_content(const struct store_fixture *f)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	_cleanup_free_ char *noise = malloc(4096);
	struct stat st;
	int fd;

	fixture_path(f, "holdfast.db", &path);
	fd = open(path.buf, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0 && noise);
	assert_int_equal(fstat(fd, &st), 0);
	memset(noise, 0xa5, 4096);
	for (off_t at = 4096; at < st.st_size; at += 4096)
		assert_int_equal(pwrite(fd, noise, 4096, at), 4096);
	/* The fd stays open: closing it would give away the locks that SQLite has on the file. */
	(void)fd;
}

static void damage_while_running_loses_no_target_and_no_id(void **state)
{
	struct store_fixture f = {0};
	uint64_t targets[50], event = 0, later;
	struct store_targets got;
	struct store_series series;
	char zeros[4096] = "";

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	fixture_begin(&f);
	for (int i = 0; i < 50; i++)
		targets[i] = fixture_target(&f, i + 1);
	/* more than the cache holds */
	for (uint64_t i = 0; i < 900; i++) {
		struct store_profile profile = {
			.target = 1, .time_ns = T0, .bytes = zeros, .size_bytes = 4096};

		profile.reason = "oom";
		add_event(&f, &event);
		assert_int_equal(store_add_profile(f.store, &profile, &later), 0);
	}
	fixture_reopen(&f);
	for (int i = 0; i < 50; i++)
		assert_int_equal(fixture_target(&f, i + 1), targets[i]);
	destroy_content(&f);
	for (int i = 0; i < 20 && !fixture_state(&f).damaged_files; i++) {
		fixture_add(&f, targets[3], T0 + (uint64_t)i * S_NS);
		read_all(&f);
		(void)store_commit(f.store);
	}
	assert_int_equal(fixture_state(&f).damaged_files, 1);
	assert_int_equal(fixture_files(&f, "damaged") > 0, 1);
	assert_int_equal(store_commit(f.store), 0);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(fixture_target(&f, i + 1), targets[i]);
		assert_int_equal(store_get_target(f.store, targets[i], &got), 0);
		assert_string_equal(got.items[0].comm, "python3");
		store_targets_done(&got);
	}
	series = fixture_read(&f, targets[3], 0, 0);
	assert_true(series.count > 0);
	store_series_done(&series);
	add_event(&f, &later);
	assert_true(later > event);
	fixture_reopen(&f);
	assert_int_equal(fixture_target(&f, 50), targets[49]);
	assert_true(fixture_target(&f, 51) > targets[49]);
	assert_int_equal(fixture_state(&f).damaged_files, 0);
	fixture_end(&f);
	log_set_level(LOG_LEVEL_WARN);
}

static void a_damaged_blob_is_left_out(void **state)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	struct store_fixture f = {.options = {.raw_age_ns = DAY_NS}};
	struct image file;
	struct store_series series;
	char *magic;

	(void)state;
	fixture_begin(&f);
	for (uint64_t i = 0; i < 900; i++)
		fixture_add(&f, 1, T0 + i * S_NS);
	assert_int_equal(store_commit(f.store), 0);
	fixture_retain(&f, T0 + 900 * S_NS, S_NS);
	store_close(f.store);
	save(&f, "holdfast.db", &file);
	/* the magic number of a zstd frame: each of three chunks */
	magic = memmem(file.bytes, file.size, "\x28\xb5\x2f\xfd", 4);
	assert_non_null(magic);
	magic[60] ^= 1;
	restore(&f, "holdfast.db", &file);
	free(file.bytes);
	fixture_open(&f);
	series = fixture_read(&f, 1, 0, 0);
	assert_int_equal(series.count, 600);
	assert_int_equal(fixture_state(&f).bad_blobs, 1);
	assert_int_equal(fixture_state(&f).damaged_files, 0);
	store_series_done(&series);
	fixture_end(&f);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Room again: all that waited is written. */
static void assert_all_comes_in(struct store_fixture *f, uint64_t target)
{
	struct store_event_query query = {0};
	struct store_events events;
	struct store_series series;
	struct store_state told;

	limit_files(RLIM_INFINITY);
	assert_int_equal(store_commit(f->store), 0);
	told = fixture_state(f);
	assert_int_equal(told.error, 0);
	assert_string_equal(told.text, "ok");
	assert_int_equal(told.pending_samples + told.pending_targets + told.pending_events, 0);
	assert_int_equal(told.dropped_samples + told.dropped_events, 0);
	fixture_reopen(f);
	series = fixture_read(f, 1, 0, 0);
	assert_int_equal(series.count, 2000);
	store_series_done(&series);
	assert_int_equal(fixture_target(f, 9), target);
	assert_int_equal(store_list_events(f->store, &query, &events), 0);
	assert_int_equal(events.count, 3);
	store_events_done(&events);
}

static void a_full_disk_is_survived_and_told(void **state)
{
	struct store_fixture f = {0};
	struct store_profile profile = {.target = 1, .time_ns = T0, .bytes = "", .size_bytes = 0};
	struct store_event_query query = {0};
	struct store_events events;
	struct store_series series;
	uint64_t target, id;
	struct store_state told;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	fixture_begin(&f);
	fixture_add(&f, 1, T0);
	add_event(&f, &id);
	assert_int_equal(store_commit(f.store), 0);
	limit_files(4096);
	for (uint64_t i = 1; i < 2000; i++) {
		fixture_add(&f, 1, T0 + i * S_NS);
		if (i % 20 == 0)
			assert_int_equal(store_commit(f.store), -EFBIG);
	}
	/* a target gets its id all the same, an event too */
	target = fixture_target(&f, 9);
	add_event(&f, &id);
	add_event(&f, &id);
	assert_int_equal(store_add_profile(f.store, &profile, &id), -EFBIG);
	(void)store_retain(f.store, T0 + 2000 * S_NS, S_NS, NULL);
	told = fixture_state(&f);
	assert_int_equal(told.error, -EFBIG);
	assert_non_null(strstr(told.text, "File too large"));
	assert_true(told.failed_writes > 90);
	assert_int_equal(told.pending_samples, 1999);
	assert_int_equal(told.pending_targets, 1);
	assert_int_equal(told.pending_events, 2);
	/* reading goes on */
	series = fixture_read(&f, 1, 0, 0);
	assert_int_equal(series.count, 2000);
	store_series_done(&series);
	assert_int_equal(store_list_events(f.store, &query, &events), 0);
	assert_int_equal(events.count, 3);
	assert_true(events.items[2].id > events.items[1].id);
	store_events_done(&events);
	assert_all_comes_in(&f, target);
	fixture_end(&f);
	signal(SIGXFSZ, SIG_DFL);
}

static void events_that_wait_are_bounded(void **state)
{
	struct store_fixture f = {0};
	struct store_event large = {.kind = "x"};
	_cleanup_free_ char *text = calloc(1, 500001);
	struct store_state told;
	uint64_t id;

	(void)state;
	assert_non_null(text);
	signal(SIGXFSZ, SIG_IGN);
	fixture_begin(&f);
	limit_files(4096);
	for (int i = 0; i < 2000; i++)
		add_event(&f, &id);
	told = fixture_state(&f);
	assert_int_equal(told.pending_events, 1024);
	assert_int_equal(told.dropped_events, 2000 - 1024);
	memset(text, 'x', 500000);
	large.text = text;
	for (int i = 0; i < 50; i++)
		assert_int_equal(store_add_event(f.store, &large, &id), 0);
	assert_true(fixture_state(&f).pending_events < 10);
	assert_int_equal(id, 2050);
	limit_files(RLIM_INFINITY);
	fixture_end(&f);
	signal(SIGXFSZ, SIG_DFL);
}

static void the_limit_of_size_is_kept_also_where_nothing_may_go(void **state)
{
	struct store_fixture f = {.options = {.max_bytes = 1 << 20}};
	_cleanup_free_ char *bytes = calloc(1, 100000);
	struct store_profile profile = {.target = 1, .reason = "oom", .size_bytes = 100000};
	struct store_profile_query query = {0};
	struct store_profiles got;
	struct store_leak leak = {.leak_id = "0123456789abcdef"};
	uint64_t id;
	int err = 0;

	(void)state;
	assert_non_null(bytes);
	profile.bytes = bytes;
	fixture_begin(&f);
	for (int i = 0; i < 50 && !err; i++)
		err = store_add_profile(f.store, &profile, &id);
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(fixture_state(&f).error, -ENOSPC);
	(void)store_retain(f.store, T0, S_NS, NULL);
	assert_int_equal(store_list_profiles(f.store, &query, &got), 0);
	assert_true(got.count > 5);
	store_profiles_done(&got);
	/* what is small may still find room, or is refused as it should */
	err = store_put_leak(f.store, &leak);
	assert_true(!err || err == -ENOSPC);
	fixture_end(&f);
}

/* Commits as fast as it can, and tells after each commit how many are in. */
static void write_until_killed(struct store_fixture *f, int pipe_fd, uint64_t first)
{
	for (uint64_t i = first;; i++) {
		fixture_add(f, 1, T0 + i * S_NS);
		if (i % 3)
			continue;
		if (store_commit(f->store))
			_exit(1);
		if (write(pipe_fd, &i, sizeof(i)) != sizeof(i))
			_exit(1);
		if (i % 90 == 0 &&
		    store_retain(f->store, T0 + i * S_NS, f->monotonic_ns += S_NS, NULL))
			_exit(1);
	}
}

/* What the child told last, after it was killed some time later. */
static uint64_t kill_writer(struct store_fixture *f, uint64_t first, useconds_t after_us)
{
	uint64_t told = first ? first - 1 : 0, got;
	int fds[2], status, pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(fds[0]);
		fixture_open(f);
		write_until_killed(f, fds[1], first);
	}
	close(fds[1]);
	/* not before it writes */
	assert_int_equal(read(fds[0], &got, sizeof(got)), sizeof(got));
	told = got;
	usleep(after_us);
	kill(pid, SIGKILL);
	while (read(fds[0], &got, sizeof(got)) == sizeof(got))
		told = got;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	close(fds[0]);
	return told;
}

static void a_kill_loses_nothing_that_was_committed(void **state)
{
	struct store_fixture f = {.options = {.raw_age_ns = 365 * DAY_NS}};
	uint64_t next = 0, random = 88172645463325252u;

	(void)state;
	fixture_begin(&f);
	store_close(f.store);
	f.store = NULL;
	for (int round = 0; round < 40; round++) {
		uint64_t told =
			kill_writer(&f, next, (useconds_t)(random_next(&random) >> 20) % 30000);
		struct store_series series;

		fixture_open(&f);
		assert_int_equal(fixture_state(&f).damaged_files, 0);
		series = fixture_read(&f, 1, 0, 0);
		/* all that was told, at most one commit more, each once and whole */
		assert_true(series.count >= told + 1 && series.count <= told + 4);
		for (size_t i = 0; i < series.count; i++) {
			struct store_sample sample = fixture_sample(1, T0 + i * S_NS);

			assert_int_equal(series.items[i].time_ns, sample.time_ns);
			assert_memory_equal(&series.items[i].values, &sample.values,
					    sizeof(sample.values));
		}
		next = series.count;
		store_series_done(&series);
		store_close(f.store);
		f.store = NULL;
	}
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_agents_do_not_share),
		cmocka_unit_test(files_are_private),
		cmocka_unit_test(bad_places_are_refused),
		cmocka_unit_test(flipped_bytes_never_stop_it),
		cmocka_unit_test(flipped_bytes_of_the_log_never_stop_it),
		cmocka_unit_test(what_is_no_database_is_set_aside),
		cmocka_unit_test(damage_while_running_loses_no_target_and_no_id),
		cmocka_unit_test(a_damaged_blob_is_left_out),
		cmocka_unit_test(a_full_disk_is_survived_and_told),
		cmocka_unit_test(events_that_wait_are_bounded),
		cmocka_unit_test(the_limit_of_size_is_kept_also_where_nothing_may_go),
		cmocka_unit_test(a_kill_loses_nothing_that_was_committed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
