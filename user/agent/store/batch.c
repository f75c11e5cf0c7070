/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

#include "agent/store/points.h"
#include "base/cleanup.h"

#define VERSION 1

static int compare_places(const void *a, const void *b)
{
	const struct store_sample *x = *(struct store_sample *const *)a;
	const struct store_sample *y = *(struct store_sample *const *)b;

	if (x->target != y->target)
		return x->target < y->target ? -1 : 1;
	return (x > y) - (x < y);
}

/* One pass reads all targets at about one time, so that differences are small. */
static int add_sample(struct strbuf *out, struct strbuf *body, const struct store_sample *sample,
		      uint64_t base_ns)
{
	int64_t difference = (int64_t)(sample->time_ns - base_ns);

	strbuf_reset(body);
	strbuf_add_uleb(body, (uint64_t)difference << 1 ^ (uint64_t)(difference >> 63));
	if (points_encode_values(&sample->values, body))
		return -ENOMEM;
	strbuf_add_uleb(out, body->len);
	return strbuf_add(out, body->buf, body->len);
}

int batch_encode(struct store_sample *samples, size_t count, struct strbuf *out)
{
	_cleanup_(strbuf_done) struct strbuf body = STRBUF_INIT;
	_cleanup_free_ struct store_sample **places = malloc((count + 1) * sizeof(*places));
	size_t start = out->len;
	uint64_t target = 0, hash;

	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		places[i] = &samples[i];
	qsort(places, count, sizeof(*places), compare_places);
	strbuf_add_le(out, 0, sizeof(hash));
	strbuf_addch(out, VERSION);
	strbuf_add_uleb(out, count);
	strbuf_add_uleb(out, count ? samples[0].time_ns : 0);
	for (size_t i = 0; i < count && !out->failed; i++) {
		strbuf_add_uleb(out, places[i]->target - target);
		target = places[i]->target;
		if (add_sample(out, &body, places[i], samples[0].time_ns))
			return -ENOMEM;
	}
	if (out->failed)
		return -ENOMEM;
	hash = XXH64(out->buf + start + sizeof(hash), out->len - start - sizeof(hash), 0);
	for (size_t i = 0; i < sizeof(hash); i++)
		out->buf[start + i] = (char)(hash >> 8 * i);
	return 0;
}

int batch_open(const void *bytes, size_t size, struct batch *ret_batch)
{
	struct batch batch = {.rest = cursor_of(bytes, size)};
	uint64_t hash = cursor_u64(&batch.rest);
	uint8_t version;

	if (batch.rest.bad || hash != XXH64(batch.rest.p, cursor_left(&batch.rest), 0))
		return -EBADMSG;
	version = cursor_u8(&batch.rest);
	batch.left = cursor_uleb(&batch.rest);
	batch.base_ns = cursor_uleb(&batch.rest);
	if (batch.rest.bad || version != VERSION || batch.base_ns > INT64_MAX)
		return -EBADMSG;
	*ret_batch = batch;
	return 0;
}

int batch_next(struct batch *batch)
{
	uint64_t step;

	if (!batch->left)
		return 0;
	batch->left--;
	step = cursor_uleb(&batch->rest);
	batch->body = cursor_sub(&batch->rest, cursor_uleb(&batch->rest));
	if (batch->rest.bad || __builtin_add_overflow(batch->target, step, &batch->target))
		return -EBADMSG;
	return 1;
}

int batch_read(const struct batch *batch, struct store_sample *ret_sample)
{
	struct store_sample sample = {.target = batch->target};
	struct cursor body = batch->body;
	uint64_t number = cursor_uleb(&body);
	int err;

	sample.time_ns = batch->base_ns + (number >> 1 ^ (uint64_t) - (number & 1));
	if (sample.time_ns > INT64_MAX)
		return -EBADMSG;
	err = points_decode_values(&body, &sample.values);
	if (err)
		return err;
	*ret_sample = sample;
	return 0;
}
