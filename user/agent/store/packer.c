/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store/packer.h"

#include <errno.h>
#include <zstd.h>

/* Columns of deltas are short of repetitions that a higher level would find. */
#define LEVEL 3

int packer_init(struct packer *packer)
{
	*packer = (struct packer){.compressor = ZSTD_createCCtx(), .expander = ZSTD_createDCtx()};
	if (!packer->compressor || !packer->expander)
		return -ENOMEM;
	ZSTD_CCtx_setParameter(packer->compressor, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(packer->compressor, ZSTD_c_checksumFlag, 1);
	return 0;
}

void packer_done(struct packer *packer)
{
	ZSTD_freeCCtx(packer->compressor);
	ZSTD_freeDCtx(packer->expander);
	*packer = (struct packer){0};
}

int packer_pack(struct packer *packer, const void *bytes, size_t size, struct strbuf *out)
{
	size_t room = ZSTD_compressBound(size), put;

	if (strbuf_reserve(out, room))
		return -ENOMEM;
	put = ZSTD_compress2(packer->compressor, out->buf + out->len, room, bytes, size);
	if (ZSTD_isError(put))
		return -ENOMEM;
	out->len += put;
	out->buf[out->len] = '\0';
	return 0;
}

int packer_unpack(struct packer *packer, const struct strbuf *packed, size_t max_bytes,
		  struct strbuf *out)
{
	unsigned long long size = ZSTD_getFrameContentSize(packed->buf, packed->len);
	size_t got;

	/* the two codes for "not known" are larger than any bound */
	if (size > max_bytes)
		return -EBADMSG;
	strbuf_reset(out);
	/* one more, so that there is a buffer to write into */
	if (strbuf_reserve(out, (size_t)size + 1))
		return -ENOMEM;
	got = ZSTD_decompressDCtx(packer->expander, out->buf, (size_t)size, packed->buf,
				  packed->len);
	if (ZSTD_isError(got) || got != size)
		return -EBADMSG;
	out->len = got;
	out->buf[got] = '\0';
	return 0;
}
