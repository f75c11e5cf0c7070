/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which bytes are a well-formed event, and what follows a file event. */
#include <errno.h>
#include <string.h>

#include <holdfast/limits.h>

#include "base/cleanup.h"
#include "capture/feed/decode.h"
#include "cmocka_all.h"

struct file_event {
	struct hf_event_file head;
	char names[HF_MAX_PATH_BYTES + 8];
};

/* A file event with these names, each of which ends with a NUL. */
static struct file_event file_event(const char *names, uint32_t names_bytes)
{
	struct file_event event = {.head.names_bytes = names_bytes};

	memcpy(event.names, names, names_bytes);
	event.head.h.kind = HF_EVENT_FILE;
	event.head.h.size_bytes = sizeof(event.head) + ((names_bytes + 7) & ~7u);
	return event;
}

static void a_path_is_put_together_from_its_names(void **state)
{
	static const char names[] = "libx.so\0lib\0usr";
	struct file_event event = file_event(names, sizeof(names));
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;

	(void)state;
	assert_int_equal(event_check(&event, sizeof(event)), 0);
	assert_int_equal(event_file_path(&event.head, &path), 0);
	assert_string_equal(path.buf, "/usr/lib/libx.so");
}

static void names_that_do_not_fit_are_refused(void **state)
{
	struct file_event event = file_event("a", 2);

	(void)state;
	assert_int_equal(event_check(&event, event.head.h.size_bytes), 0);
	assert_int_equal(event_check(&event, event.head.h.size_bytes - 8), -EINVAL);
	event.names[1] = 'b'; /* no end */
	assert_int_equal(event_check(&event, sizeof(event)), -EINVAL);
	event = file_event("", 0);
	assert_int_equal(event_check(&event, sizeof(event)), -EINVAL);
	event.head.names_bytes = UINT32_MAX;
	assert_int_equal(event_check(&event, sizeof(event)), -EINVAL);
}

static void a_path_of_empty_names_ends(void **state)
{
	struct file_event event = file_event("\0\0\0", 3);
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;

	(void)state;
	assert_int_equal(event_check(&event, sizeof(event)), 0);
	assert_int_equal(event_file_path(&event.head, &path), 0);
	assert_string_equal(path.buf, "///");
}

static void an_allocation_may_name_its_spans(void **state)
{
	struct {
		struct hf_event_alloc head;
		uint64_t spans;
	} event = {.head.h = {.kind = HF_EVENT_ALLOC, .size_bytes = sizeof(event.head)},
		   .spans = 99};

	(void)state;
	assert_int_equal(event_check(&event, sizeof(event)), 0);
	assert_int_equal(event_alloc_spans(&event.head), 0);
	event.head.h.size_bytes += 8;
	assert_int_equal(event_check(&event, sizeof(event)), 0);
	assert_int_equal(event_alloc_spans(&event.head), 99);
	event.head.h.size_bytes += 8;
	assert_int_equal(event_check(&event, sizeof(event) + 8), -EINVAL);
	event.head.h.size_bytes -= 12;
	assert_int_equal(event_check(&event, sizeof(event)), -EINVAL);
}

static void keys_of_spans_are_within_their_bounds(void **state)
{
	struct hf_event_span_key event = {
		.h = {.kind = HF_EVENT_SPAN_KEY, .size_bytes = sizeof(event)},
		.key = {.bytes = HF_SPAN_KEY_BYTES, .kind = HF_SPAN_KEY_TYPE}};

	(void)state;
	assert_int_equal(event_check(&event, sizeof(event)), 0);
	event.key.bytes++;
	assert_int_equal(event_check(&event, sizeof(event)), -EINVAL);
	event.key.bytes = 0;
	event.key.kind = HF_SPAN_KEY_KINDS;
	assert_int_equal(event_check(&event, sizeof(event)), -EINVAL);
	event.key.kind = 0;
	event.word = (uint64_t)HF_MAX_SPAN_RULES << HF_SPAN_RULE_SHIFT;
	assert_int_equal(event_check(&event, sizeof(event)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_allocation_may_name_its_spans),
		cmocka_unit_test(keys_of_spans_are_within_their_bounds),
		cmocka_unit_test(a_path_is_put_together_from_its_names),
		cmocka_unit_test(names_that_do_not_fit_are_refused),
		cmocka_unit_test(a_path_of_empty_names_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
