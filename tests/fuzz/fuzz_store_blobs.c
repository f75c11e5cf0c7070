/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blobs of the agent's store, as a damaged or foreign file may hold them: points, batches of samples, sites, packed bytes. What is
 * decoded is encoded again, and must then be the same. The first byte chooses the kind.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "agent/store/batch.h"
#include "agent/store/packer.h"
#include "agent/store/points.h"
#include "agent/store/site_blob.h"
#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int truth)
{
	if (!truth)
		abort();
}

static void try_points(const struct strbuf *bytes)
{
	struct point_vec points = VEC_INIT, again = VEC_INIT;
	struct strbuf encoded = STRBUF_INIT;
	int err = points_decode(bytes, &points);

	must(err == 0 || err == -EBADMSG);
	if (!err) {
		must(points_encode(points.items, points.count, &encoded) == 0);
		must(points_decode(&encoded, &again) == 0 && again.count == points.count);
		must(!memcmp(points.items, again.items, points.count * sizeof(*points.items)));
		must(points_arrange(&again) == 0);
		points_thin(&again, 7);
		must(again.count <= 7);
		points_roll_up(&again, 600);
		must(again.count <= points.count);
	} else {
		must(points.count == 0);
	}
	vec_done(&points);
	vec_done(&again);
	strbuf_done(&encoded);
}

static void try_batch(const struct strbuf *bytes)
{
	struct store_sample sample;
	struct batch batch;
	int more;

	if (batch_open(bytes->buf, bytes->len, &batch))
		return;
	while ((more = batch_next(&batch)) > 0)
		if (!batch_read(&batch, &sample))
			must(sample.time_ns <= INT64_MAX && sample.target == batch.target);
	must(more == 0 || more == -EBADMSG);
}

/* Behind the right hash, which no fuzzer finds. */
static void try_hashed_batch(const struct strbuf *bytes)
{
	struct strbuf hashed = STRBUF_INIT;

	strbuf_add_le(&hashed, XXH64(bytes->buf, bytes->len, 0), 8);
	strbuf_add(&hashed, bytes->buf, bytes->len);
	try_batch(&hashed);
	strbuf_done(&hashed);
}

static void try_sites(const struct strbuf *bytes)
{
	struct store_site *sites = NULL, *again = NULL;
	struct strbuf encoded = STRBUF_INIT;
	size_t count = 0, again_count = 0;
	int err = site_blob_decode(bytes, &sites, &count);

	must(err == 0 || err == -EBADMSG);
	if (!err) {
		must(site_blob_encode(sites, count, &encoded) == 0);
		must(site_blob_decode(&encoded, &again, &again_count) == 0);
		must(again_count == count && !memcmp(sites, again, count * sizeof(*sites)));
	}
	free(sites);
	free(again);
	strbuf_done(&encoded);
}

static void try_packed(const struct strbuf *bytes)
{
	struct strbuf plain = STRBUF_INIT;
	struct packer packer;
	int err = packer_init(&packer);

	must(err == 0);
	err = packer_unpack(&packer, bytes, 1 << 16, &plain);
	must(err == 0 || err == -EBADMSG);
	if (!err)
		try_points(&plain);
	packer_done(&packer);
	strbuf_done(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const kinds[])(const struct strbuf *) = {
		try_points, try_batch, try_hashed_batch, try_sites, try_packed};
	struct strbuf bytes = STRBUF_INIT;

	if (!size)
		return 0;
	must(strbuf_add(&bytes, data + 1, size - 1) == 0);
	kinds[data[0] % 5](&bytes);
	strbuf_done(&bytes);
	return 0;
}
